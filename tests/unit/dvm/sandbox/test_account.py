"""What a run is told, and what its end is called."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from dvm.ports import Run
from dvm.sandbox import account, wire
from dvm.sandbox.artefacts import About, Artefact
from dvm.sandbox.limits import table_limits
from dvm.sandbox.shape import Shape
from dvm.sandbox.watch import End, Watched
from dvm.sandbox.wire import RunDone, Task
from jobs.grant import Grant
from jobs.outcome import Outcome, RunReport
from jobs.request import JobId

GRANT = Grant(fuel=100, memory_bytes=1 << 20, wall_ms=50, input_bytes=1, output_bytes=10, log_bytes=1)
DONE = RunDone(
    outcome=Outcome.FINISHED, exit_code=0, fuel=7, memory_bytes=65536, started_ns=10, ended_ns=2_000_010, detail=""
)


RUN = Run(
    job=JobId("00" * 32),
    attempt=1,
    component=Path("c"),
    digest="00" * 32,
    args=("a", "ü"),
    env=(("K", ""),),
    stdin=b"i",
    grant=GRANT,
    clock=1_700_000_000,
    seed=bytes(32),
)


def test_fit() -> None:
    assert account.unfit(RUN) is None
    assert account.unfit(replace(RUN, args=("x" * 65_534,), env=())) is None


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (replace(RUN, stdin=b"ii"), "standard input"),
        (replace(RUN, seed=b"short"), "seed"),
        (replace(RUN, clock=-1), "clock"),
        (replace(RUN, clock=1 << 33), "clock"),
        (replace(RUN, args=("a\0b",)), "NUL"),
        (replace(RUN, env=(("K\0", "v"),)), "NUL"),
        (replace(RUN, args=("\udc80",)), "Unicode"),
        (replace(RUN, args=("x" * 65_537,)), "longer"),
        (replace(RUN, args=("",) * 1_025), "more than"),
    ],
)
def test_unfit(run: Run, words: str) -> None:
    assert words in (account.unfit(run) or "")


@pytest.mark.parametrize("char", ["\x01", '"', "\\", "\x7f", "\u2028", "ü"])
def test_what_is_fit_fits_into_a_message(char: str) -> None:
    many = char * (65_536 // len(char.encode()))
    artefact = Artefact(
        -1, 1, About(run="r", tables=0, fixed_table_elements=0, largest_fixed_table=0, growable_tables=0)
    )
    message = account.task_of(replace(RUN, args=(many,), env=()), artefact).pack()
    assert Task.unpack(message).args == [many]
    assert len(message) <= wire.MESSAGE_BYTES


def report(end: End, done: RunDone | None = None, status: int | None = None) -> RunReport:
    return account.report_of(Watched(end, done, b"out", b"l"), GRANT, status, "e/1", 12)


def test_finished() -> None:
    got = report(End.REPORTED, DONE)
    assert (got.outcome, got.output, got.log, got.engine, got.started_ns) == (Outcome.FINISHED, b"out", b"l", "e/1", 10)
    assert (got.usage.fuel, got.usage.memory_bytes, got.usage.wall_ms) == (7, 65536, 2)


def test_a_report_that_comes_in_time_but_tells_of_a_late_end_is_late() -> None:
    late = replace(DONE, ended_ns=10 + 50_000_001)
    assert report(End.REPORTED, late).outcome is Outcome.OUT_OF_TIME
    assert report(End.REPORTED, replace(DONE, ended_ns=10 + 50_000_000)).outcome is Outcome.FINISHED


def test_numbers_beyond_the_grant_are_not_believed() -> None:
    got = report(End.REPORTED, replace(DONE, fuel=10**12, memory_bytes=1 << 40, started_ns=9, ended_ns=3))
    assert (got.usage.fuel, got.usage.memory_bytes, got.usage.wall_ms) == (100, 1 << 20, 0)


def test_killed() -> None:
    assert report(End.LATE).outcome is Outcome.OUT_OF_TIME
    assert report(End.TOO_MUCH).outcome is Outcome.OUTPUT_TOO_LARGE


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (int(signal.SIGXCPU), Outcome.OUT_OF_TIME),
        (int(signal.SIGABRT), Outcome.OUT_OF_MEMORY),
        (int(signal.SIGSYS), Outcome.SANDBOX_FAILURE),
        (int(signal.SIGSEGV), Outcome.SANDBOX_FAILURE),
        (0, Outcome.SANDBOX_FAILURE),
        (256, Outcome.SANDBOX_FAILURE),
        (None, Outcome.SANDBOX_FAILURE),
    ],
)
def test_deaths(status: int | None, outcome: Outcome) -> None:
    got = report(End.DIED, status=status)
    assert got.outcome is outcome
    assert got.detail


def test_tables_cost_memory() -> None:
    none = table_limits(Shape(), 64 << 20)
    assert (none.tables, none.elements, none.bytes) == (0, 0, 0)
    fixed = table_limits(Shape(tables=2, fixed_table_elements=30, largest_fixed_table=20), 64 << 20)
    assert (fixed.tables, fixed.elements, fixed.bytes) == (2, 20, 240)
    grown = table_limits(Shape(tables=2, growable_tables=2), 64 << 20)
    assert grown.bytes == (64 << 20) // 16
    assert grown.elements == grown.bytes // 8 // 2
