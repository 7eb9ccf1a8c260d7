"""Messages survive the way; garbage from a worker is told from a report."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvm.sandbox import wire
from dvm.sandbox.wire import Compiled, Garbled, RunDone, Task
from jobs.outcome import Outcome

numbers = st.integers(0, (1 << 63) - 1)


@given(st.sampled_from(Outcome), st.integers(0, 1), numbers, numbers, numbers, numbers, st.text(max_size=100))
def test_report(outcome: Outcome, code: int, fuel: int, memory: int, started: int, ended: int, detail: str) -> None:
    done = RunDone(
        outcome=outcome,
        exit_code=code,
        fuel=fuel,
        memory_bytes=memory,
        started_ns=started,
        ended_ns=ended,
        detail=detail.encode(errors="replace").decode(),
    )
    assert RunDone.unpack(done.pack()) == done


def test_long_detail_is_cut() -> None:
    done = RunDone(
        outcome=Outcome.TRAPPED, exit_code=0, fuel=0, memory_bytes=0, started_ns=0, ended_ns=0, detail="x" * 9999
    )
    assert len(done.pack()) == wire.REPORT_BYTES


@given(st.binary(max_size=wire.REPORT_BYTES + 10))
def test_any_bytes_are_a_report_or_garbled(data: bytes) -> None:
    for kind in (RunDone, Compiled):
        try:
            kind.unpack(data)
        except Garbled:
            pass


def test_values_out_of_range_are_garbled() -> None:
    done = RunDone(outcome=Outcome.FINISHED, exit_code=0, fuel=0, memory_bytes=0, started_ns=0, ended_ns=0, detail="")
    for at, value in ((0, len(Outcome)), (1, 2), (9, 0xFF)):
        data = bytearray(done.pack())
        data[at] = value
        with pytest.raises(Garbled):
            RunDone.unpack(bytes(data))


def test_task() -> None:
    task = Task(
        run="wasi:cli/run@0.2.0",
        args=["a", "ü\n", ""],
        env=[("K", "v=1")],
        fuel=1,
        memory_bytes=2,
        artefact_bytes=3,
        cpu_s=4,
        clock=5,
        seed="00" * 32,
        tables=6,
        table_elements=7,
        table_bytes=8,
    )
    assert Task.unpack(task.pack()) == task
    for args in ([], [""], ["", ""]):
        for env in ([], [("", "")], [("A", ""), ("B", "\n")]):
            other = replace(task, args=args, env=env)
            assert Task.unpack(other.pack()) == other
