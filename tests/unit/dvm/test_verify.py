"""Judging a result: on paper first, then by the second run."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from dvm.ports import Fetched, FetchFailed, Run
from dvm.verify import Claim, Different, Equal, OneFile, Uncheckable, claim_of, examine, judge, request_in
from jobs import reply
from jobs.component import ComponentRef
from jobs.grant import CEILING, Grant
from jobs.model import JobState
from jobs.outcome import Outcome, RunReport, Usage
from relayclient.event import Draft, Event
from tests.support.requests import CUSTOMER, DIGEST, NODE, NOW, OTHER, job_in, request_event, run_report

REQUEST = request_event(content="in")
JOB = job_in(JobState.RUNNING, event=REQUEST)
REPORT = run_report(output=b"out")


def result(**changes: object) -> Event:
    draft = reply.result(JOB, REPORT, NOW)
    assert draft is not None
    return NODE.sign(replace(draft, **changes))  # type: ignore[arg-type]


GOOD = result()


def retagged(name: str, *rows: tuple[str, ...]) -> Event:
    return result(tags=(*(tag for tag in GOOD.tags if tag[0] != name), *rows))


def claim(event: Event = GOOD, request: Event = REQUEST) -> Claim:
    found = claim_of(event, request)
    assert isinstance(found, Claim), found
    return found


# On paper


def test_a_result_carries_its_request() -> None:
    assert request_in(GOOD) == REQUEST
    assert claim().receipt.output == hashlib.sha256(b"out").hexdigest()


@pytest.mark.parametrize("text", ["", "{}", "[" * 9000, REQUEST.to_json().replace('"in"', '"on"')])
def test_a_request_that_is_none_is_not_taken(text: str) -> None:
    assert request_in(retagged("request", ("request", text))) is None


@pytest.mark.parametrize(
    ("event", "request_", "point"),
    [
        (result(kind=6851), REQUEST, "kind: 6851"),
        (retagged("e", ("e", "00" * 32)), REQUEST, "e: "),
        (retagged("e", ("e", REQUEST.id), ("e", "00" * 32)), REQUEST, "e: "),
        (retagged("p", ("p", OTHER.public)), REQUEST, "p: "),
        (result(content="tuo"), REQUEST, "another output"),
        (GOOD, request_event(content="other"), "another input"),
        (GOOD, request_event(("p", OTHER.public), content="in"), "author: "),
    ],
)
def test_a_contradiction_on_paper_is_a_difference(event: Event, request_: Event, point: str) -> None:
    found = claim_of(event, request_)
    assert isinstance(found, Different)
    assert any(point in each for each in found.points), found.points


@pytest.mark.parametrize(
    ("event", "request_", "why"),
    [
        (retagged("grant"), REQUEST, "receipt cannot be read"),
        (retagged("encoding", ("encoding", "rot13")), REQUEST, "receipt cannot be read"),
        (retagged("deterministic", ("deterministic", "false")), REQUEST, "need not come out the same"),
        (GOOD, request_event(named=False), "malformed: no-hash"),
        (GOOD, request_event(("encrypted",)), "none that this program can read"),
    ],
)
def test_what_cannot_be_judged_is_said_to_be_so(event: Event, request_: Event, why: str) -> None:
    found = claim_of(event, request_)
    assert isinstance(found, Uncheckable)
    assert why in found.why


# By the second run


class Bench:
    """Components and sandbox with set answers; keeps what was asked of it."""

    def __init__(self, report: RunReport = REPORT, fetched: Fetched | FetchFailed | None = None) -> None:
        self.report = report
        self.fetched = fetched or Fetched(Path("c.wasm"), 1)
        self.runs: list[Run] = []

    async def fetch(self, ref: ComponentRef) -> Fetched | FetchFailed:
        assert ref.digest == DIGEST
        return self.fetched

    async def run(self, run: Run) -> RunReport:
        self.runs.append(run)
        return self.report


def test_the_same_again_is_equal_and_runs_what_the_receipt_says() -> None:
    bench = Bench()
    verdict = asyncio.run(examine(claim(), bench, bench))
    assert isinstance(verdict, Equal)
    (run,) = bench.runs
    assert (run.stdin, run.digest, run.clock, run.grant) == (b"in", DIGEST, REQUEST.created_at, JOB.offer.grant)
    assert run.seed == JOB.request.seed


@pytest.mark.parametrize(
    ("report", "point"),
    [
        (replace(REPORT, output=b"tuo"), "output: stated"),
        (replace(REPORT, exit_code=1), "exit_code: stated 0, got 1"),
        (replace(REPORT, usage=Usage(8, 65_536, 3)), "fuel: stated 7, got 8"),
        (replace(REPORT, outcome=Outcome.OUT_OF_FUEL, detail="d"), "outcome: stated finished, got out-of-fuel (d)"),
        (replace(REPORT, engine="test/2", output=b"tuo"), "engine: stated test/1, here test/2"),
    ],
)
def test_another_outcome_is_a_difference(report: RunReport, point: str) -> None:
    verdict = judge(claim(), report)
    assert isinstance(verdict, Different)
    assert any(each.startswith(point) for each in verdict.points), verdict.points


def test_measurements_may_differ() -> None:
    assert isinstance(judge(claim(), replace(REPORT, usage=Usage(7, 131_072, 999))), Equal)


def test_another_engine_may_count_other_fuel() -> None:
    assert isinstance(judge(claim(), replace(REPORT, engine="test/2", usage=Usage(9, 65_536, 3))), Equal)


@pytest.mark.parametrize("name", ["fuel", "memory_bytes", "wall_ms", "output_bytes"])
def test_a_stranger_cannot_borrow_this_machine(name: str) -> None:
    wire = {**JOB.offer.grant.to_wire(), name: getattr(CEILING, name) + 1}
    greedy = replace(claim(), receipt=replace(claim().receipt, grant=Grant.from_wire(wire)))
    bench = Bench()
    assert isinstance(asyncio.run(examine(greedy, bench, bench)), Uncheckable)
    assert bench.runs == []


@pytest.mark.parametrize(
    "bench",
    [
        Bench(fetched=FetchFailed("not-found", "nobody has it")),
        Bench(replace(REPORT, outcome=Outcome.SANDBOX_FAILURE, detail="broken")),
    ],
)
def test_our_own_trouble_is_no_verdict(bench: Bench) -> None:
    verdict = asyncio.run(examine(claim(), bench, bench))
    assert isinstance(verdict, Uncheckable)
    assert "nobody has it" in verdict.why or "broken" in verdict.why


def test_a_file_given_by_hand_must_be_the_component() -> None:
    data = b"component"
    files = OneFile(Path("c.wasm"), data)
    digest = hashlib.sha256(data).hexdigest()
    assert asyncio.run(files.fetch(ComponentRef(digest, None, ()))) == Fetched(Path("c.wasm"), len(data))
    assert isinstance(asyncio.run(files.fetch(ComponentRef(DIGEST, None, ()))), FetchFailed)


def test_the_customers_key_is_not_the_nodes() -> None:
    """A result that the customer signed itself contradicts nothing if the request was open to all."""
    own = CUSTOMER.sign(Draft(GOOD.kind, GOOD.content, GOOD.tags, GOOD.created_at))
    assert isinstance(claim_of(own, REQUEST), Claim)
