"""The parts of a job on their own: what the whole can at best come down to."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dvm.ports import Run
from dvm.sandbox import ZygoteSandbox
from jobs.grant import DEFAULT
from jobs.outcome import Outcome
from jobs.request import JobId
from relayclient.event import Draft, Event
from relayclient.keys import SecretKey
from tests.support.guests import guest


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)]


async def sandbox(component: Path, runs: int = 300) -> None:
    """From the call of the sandbox to the first instruction of the guest, and to its report."""
    data = component.read_bytes()
    first: list[float] = []
    whole: list[float] = []
    with tempfile.TemporaryDirectory() as state:
        async with ZygoteSandbox(Path(state)) as box:
            for n in range(runs + 10):
                start = time.monotonic_ns()
                report = await box.run(
                    Run(
                        job=JobId(f"{n:064x}"),
                        attempt=1,
                        component=component,
                        digest=hashlib.sha256(data).hexdigest(),
                        args=(),
                        env=(),
                        stdin=b"hello",
                        grant=DEFAULT,
                        clock=0,
                        seed=bytes(32),
                    )
                )
                assert report.outcome is Outcome.FINISHED, report
                if n >= 10:
                    first.append((report.started_ns - start) / 1e6)
                    whole.append((time.monotonic_ns() - start) / 1e6)
    for name, values in (("first guest instruction", first), ("report", whole)):
        p50, p99 = _percentile(values, 0.5), _percentile(values, 0.99)
        print(f"handed to a child, to {name:24} p50 {p50:6.2f} ms   p99 {p99:6.2f} ms")


def _run(component: Path, n: int, **limits: int) -> Run:
    return Run(
        job=JobId(f"{n:064x}"),
        attempt=1,
        component=component,
        digest=hashlib.sha256(component.read_bytes()).hexdigest(),
        args=(),
        env=(),
        stdin=b"",
        grant=replace(DEFAULT, **limits),
        clock=0,
        seed=bytes(32),
    )


async def deadline(runs: int = 40, wall_ms: int = 100) -> None:
    """How much later than its deadline a guest that never ends is reported, while every core is busy with others."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        with tempfile.TemporaryDirectory() as state:
            spin = Path(state, "spin")
            spin.write_bytes(guest("spin"))
            async with ZygoteSandbox(Path(state)) as box:
                over = []
                for n in range(runs):
                    order = _run(spin, n, fuel=1 << 50, wall_ms=wall_ms)
                    start = time.monotonic()
                    report = await box.run(order)
                    over.append((time.monotonic() - start) * 1000 - wall_ms)
                    assert report.outcome is Outcome.OUT_OF_TIME, report
    finally:
        for process in busy:
            process.kill()
            process.wait()
    over = over[2:]  # the first one was also compiled
    print(f"deadline overrun with {len(busy)} busy cores     p50 {_percentile(over, 0.5):6.1f} ms   "
          f"p99 {_percentile(over, 0.99):6.1f} ms   most {max(over):6.1f} ms")  # fmt: skip


async def memory() -> None:
    """What a child has for itself, beside what it shares with the zygote: in stock, and with a guest of one page."""
    with tempfile.TemporaryDirectory() as state:
        spin = Path(state, "spin")
        spin.write_bytes(guest("spin"))
        for choice in ("native", "pulley"):
            async with ZygoteSandbox(Path(state), engine=choice) as box:
                await box.run(_run(spin, 0, fuel=1, wall_ms=5_000))
                await asyncio.sleep(0.5)
                stock = _private_mib(_children())
                running = asyncio.ensure_future(box.run(_run(spin, 1, fuel=1 << 50, wall_ms=2_000)))
                await asyncio.sleep(0.7)
                all_of_them = _private_mib(_children())
                await running
            if stock and all_of_them:
                print(f"private memory of a child, {choice:6}      in stock {max(stock):5.2f} MiB   "
                      f"with a guest {max(all_of_them):5.2f} MiB")  # fmt: skip
            else:
                print("private memory of a child: cannot be read, they hide from their equals; ask root")


def _children() -> list[int]:
    """Workers of the sandboxes of this process: children of its children."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    zygotes = {pid for pid, parent in parents.items() if parent == os.getpid()}
    return [pid for pid, parent in parents.items() if parent in zygotes]


def _private_mib(pids: list[int]) -> list[float]:
    found = []
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        found.append(sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024)
    return found


def parts() -> None:
    """Microseconds of the steps nobody can leave out."""
    key = SecretKey.generate(os.urandom)
    draft = Draft(5850, "x" * 200, (("p", key.public), ("x", "0" * 64, "component")), 1)
    event = key.sign(draft, os.urandom(32))
    text = event.to_json()
    known = {event.id: event.sig}
    from relayclient.strictjson import parse_json

    _show("parse and id", lambda: Event.from_wire(parse_json(text, max_bytes=65_536), known))
    _show("parse, id and verify", lambda: Event.from_json(text))
    _show("sign", lambda: key.sign(draft, bytes(32)))
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        db = sqlite3.connect(Path(folder, "db"), isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE t (a BLOB)")
        _show("durable commit", lambda: db.execute("INSERT INTO t VALUES (?)", (bytes(300),)), times=300)
        db.close()


def _show(name: str, work: Callable[[], object], times: int = 2000) -> None:
    start = time.perf_counter()
    for _ in range(times):
        work()
    print(f"{name:37} {(time.perf_counter() - start) / times * 1e6:8.0f} us")
