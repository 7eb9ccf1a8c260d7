"""Between a run and its report: the task for the worker, and the report from what was seen. Pure."""

from __future__ import annotations

import os
import signal

from dvm.ports import Run
from dvm.sandbox import verdict
from dvm.sandbox.artefacts import Artefact
from dvm.sandbox.limits import table_limits
from dvm.sandbox.watch import End, Watched
from dvm.sandbox.wire import RunDone, Task
from jobs.grant import Grant
from jobs.outcome import Outcome, RunReport, Usage

_CPU_SLACK_S = 2
_SEED_BYTES = 32
_LATEST = 1 << 33
"""Seconds; in nanoseconds such a clock still fits the guest's 64 bits."""
_TEXT_BYTES, _TEXTS = 64 * 1024, 1024
"""Of arguments and environment together; less than a message may hold."""
_NANOSECONDS_PER_MS = 1_000_000


def unfit(run: Run) -> str | None:
    """Why no guest can be told this, or None. Whoever made the run should have refused it."""
    if len(run.stdin) > run.grant.input_bytes:
        return f"standard input is longer than the {run.grant.input_bytes} bytes granted"
    if len(run.seed) != _SEED_BYTES or not 0 <= run.clock < _LATEST:
        return "the seed or the clock is out of range"
    texts = (*run.args, *(text for pair in run.env for text in pair))
    try:
        size = sum(len(text.encode()) for text in texts)
    except UnicodeEncodeError:
        return "an argument or variable is not Unicode text"
    if size > _TEXT_BYTES or len(texts) > _TEXTS:
        return f"arguments and environment are longer than {_TEXT_BYTES} bytes or more than {_TEXTS}"
    if any("\0" in text for text in texts):
        return "an argument or variable holds a NUL character"
    return None


def task_of(run: Run, artefact: Artefact) -> Task:
    """What the worker is told."""
    tables = table_limits(artefact.about.shape, run.grant.memory_bytes)
    return Task(
        run=artefact.about.run,
        args=list(run.args),
        env=list(run.env),
        fuel=run.grant.fuel,
        memory_bytes=run.grant.memory_bytes,
        artefact_bytes=artefact.size,
        cpu_s=-(-run.grant.wall_ms // 1000) + _CPU_SLACK_S,
        clock=run.clock,
        seed=run.seed.hex(),
        tables=tables.tables,
        table_elements=tables.elements,
        table_bytes=tables.bytes,
    )


def without_run(outcome: Outcome, detail: str, engine: str) -> RunReport:
    """The report of a run that did not come to its first instruction."""
    usage = Usage(fuel=0, memory_bytes=0, wall_ms=0)
    return RunReport(outcome, 0, b"", b"", usage, verdict.sentence(detail), engine)


def report_of(watched: Watched, grant: Grant, status: int | None, engine: str, wall_ms: int) -> RunReport:
    """The report of a run that a worker took on. `status`: how it died, if it died unasked and somebody knows.

    Fuel is known only of runs that reported; what a killed one had used is lost with it, and is given as 0. Numbers of
    a worker are cut to what was granted: it may have been taken over.
    """
    done = watched.done
    if done is not None and done.ended_ns - done.started_ns > grant.wall_ms * _NANOSECONDS_PER_MS:
        return _killed(watched, Outcome.OUT_OF_TIME, _late(grant), engine, grant.wall_ms)
    match watched.end:
        case End.LATE:
            return _killed(watched, Outcome.OUT_OF_TIME, _late(grant), engine, grant.wall_ms)
        case End.TOO_MUCH:
            detail = f"more than {grant.output_bytes} bytes of output"
            return _killed(watched, Outcome.OUTPUT_TOO_LARGE, detail, engine, wall_ms)
        case End.DIED:
            outcome, detail = _death(status)
            return _killed(watched, outcome, detail, engine, wall_ms)
        case End.REPORTED:
            assert done is not None
            return _reported(watched, done, grant, engine)


def _late(grant: Grant) -> str:
    return f"not finished after {grant.wall_ms} ms"


def _killed(watched: Watched, outcome: Outcome, detail: str, engine: str, wall_ms: int) -> RunReport:
    usage = Usage(fuel=0, memory_bytes=0, wall_ms=wall_ms)
    return RunReport(outcome, 0, watched.output, watched.log, usage, detail, engine)


def _reported(watched: Watched, done: RunDone, grant: Grant, engine: str) -> RunReport:
    usage = Usage(
        fuel=min(done.fuel, grant.fuel),
        memory_bytes=min(done.memory_bytes, grant.memory_bytes),
        wall_ms=max(0, -(-(done.ended_ns - done.started_ns) // _NANOSECONDS_PER_MS)),
    )
    detail = verdict.sentence(done.detail)
    return RunReport(done.outcome, done.exit_code, watched.output, watched.log, usage, detail, engine, done.started_ns)


def _death(status: int | None) -> tuple[Outcome, str]:
    if status is None:
        return Outcome.SANDBOX_FAILURE, "the worker was killed from outside, perhaps for want of memory"
    if not os.WIFSIGNALED(status):
        return Outcome.SANDBOX_FAILURE, f"the worker ended without a report, status {os.WEXITSTATUS(status)}"
    ended_by = os.WTERMSIG(status)
    if ended_by == signal.SIGXCPU:
        return Outcome.OUT_OF_TIME, "more processor time than the time granted allows"
    if ended_by == signal.SIGABRT:
        # The engine aborts when the process's own fence refuses it memory for what the guest made it hold.
        return Outcome.OUT_OF_MEMORY, "the engine could not get the memory that the component made it ask for"
    if ended_by == signal.SIGSYS:
        return Outcome.SANDBOX_FAILURE, "the worker was killed for a forbidden system call"
    return Outcome.SANDBOX_FAILURE, f"the worker was killed by signal {ended_by}"
