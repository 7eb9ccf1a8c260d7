"""Bugs planted one at a time in a scratch copy of the tree, to see that the simulation sees them.

    python -m tests.sim.plant                     all of them
    python -m tests.sim.plant re-sign-on-retry    this one

Each edit must fit exactly one place of the source; a bug that could not be planted is a failure, like one that is not
caught within the seeds of `make test`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("dvm", "jobs", "relayclient", "tests/sim", "tests/support")
SEEDS = 300


@dataclass(frozen=True, slots=True)
class Edit:
    """In one file, this becomes that."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Bug:
    """A mistake that somebody could make."""

    name: str
    edits: tuple[Edit, ...]


_SEEN = (
    Edit(
        "dvm/engine.py",
        "        self._settled: list[str] = []\n        self._consequences",
        "        self._settled: list[str] = []\n        self._seen: set[JobId] = set()\n        self._consequences",
    ),
    Edit(
        "dvm/engine.py",
        "            known = await tx.known(arriving) if arriving else set()\n",
        "            known = self._seen.intersection(arriving)\n            self._seen.update(arriving)\n",
    ),
)

BUGS = (
    Bug(
        "re-sign-on-retry",
        (
            Edit(
                "dvm/outbox.py",
                "            verdict, text = await self._relays.publish(outgoing.event, relay)\n",
                "            event = outgoing.event\n"
                "            if tries:\n"
                "                draft = Draft(event.kind, event.content, event.tags, self._clock.now())\n"
                "                event = self._engine._signer.sign(draft)\n"
                "            verdict, text = await self._relays.publish(event, relay)\n",
            ),
            Edit(
                "dvm/outbox.py",
                "from relayclient.verdicts import Verdict\n",
                "from relayclient.event import Draft\nfrom relayclient.verdicts import Verdict\n",
            ),
        ),
    ),
    Bug(
        "sent-before-ok",
        (
            Edit(
                "dvm/outbox.py",
                "        accepted = await asyncio.gather(",
                "        self._engine.settle(outgoing.event.id)\n        accepted = await asyncio.gather(",
            ),
        ),
    ),
    Bug("dedupe-in-memory-only", _SEEN),
    Bug(
        "dedupe-in-memory-only-and-replace-rows",
        (*_SEEN, Edit("dvm/store/queries.sql", "INSERT INTO jobs (", "INSERT OR REPLACE INTO jobs (")),
    ),
    Bug(
        "no-dedupe-within-a-batch",
        (Edit("dvm/batch.py", "        self._known.add(job_id)\n", ""),),
    ),
    Bug(
        "cursor-before-births",
        (
            Edit(
                "dvm/engine.py",
                "        await self._queue.put(_CursorMove(relay, upto))\n",
                "        async with self._store.transaction() as tx:\n            await tx.move_cursor(relay, upto)\n",
            ),
        ),
    ),
    Bug(
        "cursor-moves-while-draining",
        (
            Edit(
                "dvm/intake.py",
                "        if not self.open:\n",
                "        if not self.open and isinstance(news, EventSeen):\n",
            ),
        ),
    ),
    Bug(
        "restart-forgotten",
        (
            Edit(
                "dvm/engine.py",
                "        await asyncio.gather(*(self.absorb(job, NodeRestarted()) for job in list(self.live)))\n",
                "        return\n",
            ),
        ),
    ),
    Bug(
        "publish-before-commit",
        (
            Edit(
                "dvm/engine.py",
                "        self._publish(batch)\n        for item in items:\n            if isinstance(item, _Stimulus",
                "        for item in items:\n            if isinstance(item, _Stimulus",
            ),
            Edit(
                "dvm/engine.py",
                "            if settled:\n                await tx.settle(settled)\n",
                "            if settled:\n                await tx.settle(settled)\n            self._publish(batch)\n",
            ),
        ),
    ),
    Bug(
        "unsent-forgotten",
        (
            Edit(
                "dvm/core.py",
                "        for outgoing in unsent:\n            self.outbox.take(outgoing)\n",
                "        del unsent\n",
            ),
            Edit(
                "dvm/core.py",
                "            for outgoing in await self._store.unsettled():\n",
                "            for outgoing in ():\n",
            ),
        ),
    ),
    Bug(
        "asks-from-now-on",
        (
            Edit(
                "dvm/core.py",
                "max(cursors.get(relay, oldest), oldest)",
                "max(cursors.get(relay, oldest), self._clock.now())",
            ),
        ),
    ),
    Bug(
        "one-relay-is-enough",
        (
            Edit(
                "dvm/outbox.py",
                "        targets = tuple(dict.fromkeys((*self._own, *outgoing.relays)))\n",
                "        targets = self._own[:1]\n",
            ),
        ),
    ),
    Bug(
        "caught-up-by-silence",
        (
            Edit(
                "relayclient/protocol.py",
                "        self._drop(Reason.EOSE_MISSING)\n",
                "        self._confirm(sub, sub.asked_at, Moment(sub.asked_at, sub.asked_at))\n",
            ),
        ),
    ),
    Bug(
        "caught-up-to-the-end-not-the-beginning",
        (
            Edit(
                "relayclient/protocol.py",
                "        self._confirm(sub, sub.asked_at, now)\n",
                "        self._confirm(sub, now.unix + self._limits.overlap_s, now)\n",
            ),
        ),
    ),
    Bug(
        "no-second-page",
        (
            Edit(
                "relayclient/protocol.py",
                "        page = sub.catchup.next_page(finished=message.finished)\n",
                "        page = sub.catchup.next_page(finished=True)\n",
            ),
        ),
    ),
    Bug(
        "attempt-not-counted",
        (Edit("jobs/lifecycle.py", "    attempt = job.attempt + 1\n", "    attempt = job.attempt or 1\n"),),
    ),
    Bug(
        "state-and-answer-apart",
        (
            Edit(
                "dvm/store/sqlite.py",
                "                changed = db.executemany(",
                '                db.execute("COMMIT")\n'
                '                db.execute("BEGIN IMMEDIATE")\n'
                "                changed = db.executemany(",
            ),
        ),
    ),
    Bug(
        "given-up-for-this-life",
        (Edit("dvm/outbox.py", "        self._in_flight.discard(outgoing.event.id)\n", ""),),
    ),
    Bug(
        "not-ours-answered",
        (Edit("jobs/request.py", "    if wanted and me not in wanted:\n", "    if wanted == [me, me]:\n"),),
    ),
)


def planted(bug: Bug, root: Path) -> dict[Path, str]:
    """The files that the bug changes, changed; raises ValueError when an edit does not fit exactly once."""
    changed: dict[Path, str] = {}
    for edit in bug.edits:
        path = root / edit.file
        text = changed.get(path) or path.read_text(encoding="utf-8")
        if text.count(edit.old) != 1:
            raise ValueError(f"{bug.name}: {edit.file} has {text.count(edit.old)} places for {edit.old.strip()!r}")
        changed[path] = text.replace(edit.old, edit.new)
    return changed


def copy(root: Path) -> None:
    """The parts of the tree that a simulation needs."""
    for name in COPIED:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))


def hunt(bug: Bug, seeds: int, jobs: int) -> str | None:
    """What the simulation says of the first seed that breaks a promise; None when no seed does."""
    with tempfile.TemporaryDirectory(prefix="dvm-plant-") as folder:
        root = Path(folder)
        copy(root)
        for path, text in planted(bug, root).items():
            path.write_text(text, encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        where = subprocess.run(
            [sys.executable, "-c", "import dvm.engine; print(dvm.engine.__file__)"],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert where.startswith(folder), f"the copy is not what would run, but {where}"
        command = [sys.executable, "-m", "tests.sim", "--seeds", f"0:{seeds}", "--jobs", str(jobs), "--first"]
        ran = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode == 0:
        return None
    told = [line for line in ran.stdout.splitlines() if line.startswith(("seed ", "  "))]
    if not told:
        raise RuntimeError(f"the simulation did not run: {ran.stderr[-2_000:]}")
    return told[0].partition(";")[0] + ":" + told[1][1:]


def main() -> int:
    """Returns 1 when a bug was not caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.plant", description=__doc__.split("\n")[0])
    parser.add_argument("bugs", nargs="*", metavar="BUG", help="; ".join(bug.name for bug in BUGS))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    missed = 0
    for bug in BUGS:
        if not options.bugs or bug.name in options.bugs:
            seen = hunt(bug, options.seeds, options.jobs)
            missed += seen is None
            print(f"{bug.name}: {seen or f'not caught in {options.seeds} seeds'}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
