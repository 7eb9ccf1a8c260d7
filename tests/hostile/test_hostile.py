"""Every row through the real sandbox: its named end, within its limits, nothing left over, and the next job is served.

One sandbox for all rows, as a node has one. Rows that take long are for `make torture`: HOSTILE_SLOW=1.
"""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dvm.sandbox import SandboxLimits, ZygoteSandbox
from dvm.sandbox.verdict import DETAIL_CHARACTERS
from jobs.grant import Grant
from jobs.outcome import Outcome, RunReport, Usage
from tests.hostile.corpus import ROWS
from tests.hostile.row import Row
from tests.support.guests import guest
from tests.support.sandboxes import MIB, Bench, narrowed

LIMITS = SandboxLimits(compile_cpu_s=2, compile_wall_s=20)
"""Little time to compile, so that what is slow to compile does not take long to refuse."""
GROWTH_BYTES = 32 * MIB
"""What the node's own process, and the zygote, may be larger after a run; what Python's allocator keeps is in it."""
CHOSEN = [row for row in ROWS if not row.slow or os.environ.get("HOSTILE_SLOW")]


@dataclass
class Room:
    """A sandbox in an event loop that stands still between two rows."""

    runner: asyncio.Runner
    bench: Bench
    good: RunReport
    workers: set[int] = field(default_factory=set)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "components").mkdir()
    with asyncio.Runner() as runner:
        sandbox = ZygoteSandbox(folder / "state", limits=LIMITS)
        runner.run(sandbox.__aenter__())
        bench = Bench(folder / "components", sandbox)
        yield Room(runner, bench, runner.run(bench.run(guest("hello"))))
        runner.run(sandbox.__aexit__(None, None, None))


def children(pid: int) -> set[int]:
    """Living children of the process."""
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                state, parent = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[:2]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(parent) == pid and state != "Z":
                found.add(int(entry))
    return found


def resident(pid: int) -> int:
    """Bytes of memory that the process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def only_spares(zygote: int) -> bool:
    """Whether, before long, nothing is left below the zygote but workers that wait for a task."""
    for _ in range(500):
        left = children(zygote)
        if len(left) <= LIMITS.spares and all(not children(pid) for pid in left):
            return True
        await asyncio.sleep(0.02)
    return False


def within(report: RunReport, grant: Grant) -> bool:
    return (
        report.usage.fuel <= grant.fuel
        and report.usage.memory_bytes <= grant.memory_bytes
        and report.usage.wall_ms <= grant.wall_ms
        and len(report.output) <= grant.output_bytes
        and len(report.log) <= grant.log_bytes
    )


@pytest.mark.parametrize("row", CHOSEN, ids=lambda row: row.name)
def test_row(room: Room, row: Row) -> None:
    grant, component = narrowed(**row.limits), row.build()
    order = room.bench.order(component, grant=grant, args=row.args)
    del component
    gc.collect()
    (zygote,) = children(os.getpid())
    before = resident(os.getpid()), resident(zygote)

    async def act() -> tuple[RunReport, RunReport, bool]:
        report = await room.bench.sandbox.run(order)
        served = await room.bench.run(guest("hello"))
        return report, served, await only_spares(zygote)

    report, served, clean = room.runner.run(act())
    assert report.outcome in row.ends, f"{report.outcome}: {report.detail}"
    assert row.words in report.detail
    assert within(report, grant), report.usage
    assert len(report.detail) <= DETAIL_CHARACTERS
    assert report.detail.isprintable(), "the detail could steer a terminal"
    assert (served.outcome, served.output) == (Outcome.FINISHED, b"hello\n"), "the next job must not suffer"
    assert served.usage.fuel == room.good.usage.fuel
    assert clean, "a worker was left over"
    assert children(os.getpid()) == {zygote}, "the zygote died"
    after = resident(os.getpid()), resident(zygote)
    assert all(now - then <= GROWTH_BYTES for then, now in zip(before, after, strict=True)), (before, after)


def test_the_corpus_is_large_and_has_no_two_rows_of_one_name() -> None:
    assert len([row for row in ROWS if not row.slow]) >= 200
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_the_corpus_meets_every_outcome_but_our_own_fault() -> None:
    certain = {outcome for row in ROWS if len(row.ends) == 1 for outcome in row.ends}
    assert certain == set(Outcome) - {Outcome.SANDBOX_FAILURE}


def test_no_row_may_make_the_sandbox_fail() -> None:
    with pytest.raises(ValueError, match="x: a guest"):
        Row(name="x", what="", build=bytes, ends=frozenset({Outcome.SANDBOX_FAILURE, Outcome.TRAPPED}))


@pytest.mark.parametrize(
    "beyond", [{"fuel": 101}, {"memory_bytes": 101}, {"wall_ms": 101}, {"output": bytes(101)}, {"log": bytes(101)}]
)
def test_more_than_was_granted_is_seen(beyond: dict[str, Any]) -> None:
    grant = Grant(fuel=100, memory_bytes=100, wall_ms=100, input_bytes=100, output_bytes=100, log_bytes=100)
    usage = {"fuel": 100, "memory_bytes": 100, "wall_ms": 100}
    streams = {"output": bytes(100), "log": bytes(100)}

    def report(**changed: Any) -> RunReport:
        used = Usage(**{name: changed.get(name, value) for name, value in usage.items()})
        texts = {name: changed.get(name, value) for name, value in streams.items()}
        return RunReport(Outcome.FINISHED, 0, texts["output"], texts["log"], used)

    assert within(report(), grant)
    assert not within(report(**beyond), grant)


def test_a_left_over_process_is_seen() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            assert child.pid in children(os.getpid())
            assert resident(child.pid) > 0
        finally:
            child.kill()
    assert child.pid not in children(os.getpid())
