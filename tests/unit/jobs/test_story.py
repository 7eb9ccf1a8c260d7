"""Facts and orders as people read them in `dvm jobs show`."""

from __future__ import annotations

import pytest

from jobs.facts import (
    DeadlinePassed,
    Fact,
    NodeRestarted,
    PartsFetched,
    PartsMissing,
    ResultAccepted,
    ResultRefused,
    RunEnded,
    SlotGranted,
    describe,
)
from jobs.model import JobState
from jobs.orders import Fetch, Publish, StartRun, describe_orders
from jobs.outcome import Outcome
from jobs.reply import processing
from tests.support.requests import NOW, RELAY, new_job, run_report


@pytest.mark.parametrize(
    ("fact", "line"),
    [
        (PartsFetched(48_211), "48211 bytes"),
        (PartsMissing("not-found", "cdn.example has none"), "not-found: cdn.example has none"),
        (SlotGranted(), ""),
        (RunEnded(2, run_report(exit_code=1)), "attempt 2 finished 1, fuel 7, 65536 bytes of memory, 3 ms"),
        (
            RunEnded(1, run_report(Outcome.TRAPPED, detail="unreachable")),
            "attempt 1 trap, fuel 7, 65536 bytes of memory, 3 ms: unreachable",
        ),
        (DeadlinePassed(JobState.QUEUED), "queued"),
        (ResultAccepted(RELAY), RELAY),
        (ResultRefused("none of 2 relays took the result"), "none of 2 relays took the result"),
        (NodeRestarted(), ""),
    ],
    ids=lambda v: type(v).__name__,
)
def test_a_fact_tells_what_happened(fact: Fact, line: str) -> None:
    assert describe(fact) == line


def test_a_fact_tells_nothing_of_the_output() -> None:
    assert "secret" not in describe(RunEnded(1, run_report(output=b"secret", log=b"secret")))


def test_orders_are_listed_in_order() -> None:
    said = Publish("processing", processing(new_job().request, RELAY, NOW))
    assert describe_orders((Fetch(), StartRun(1), said)) == "fetch, start run 1, publish processing"
    assert describe_orders(()) == ""
