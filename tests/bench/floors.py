"""The parts of a job on their own: what the whole can at best come down to."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from dvm.ports import Run
from dvm.sandbox import ZygoteSandbox
from jobs.grant import DEFAULT
from jobs.outcome import Outcome
from jobs.request import JobId
from relayclient.event import Draft, Event
from relayclient.keys import SecretKey


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
