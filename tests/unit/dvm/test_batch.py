"""What one transaction is going to hold, before anything is stored."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dvm.batch import Batch
from dvm.ports import Change, Refusal
from jobs.admission import Declines, Policy
from jobs.facts import NodeRestarted, PartsFetched, ResultAccepted, RunEnded, SlotGranted, WorkLingers
from jobs.lifecycle import ImpossibleTransition
from jobs.model import Job, JobState
from jobs.orders import Fetch, Publish
from jobs.request import JobId, JobRequest, Malformed
from relayclient.event import Draft, Event
from relayclient.keys import LocalSigner
from tests.support.requests import (
    CUSTOMER,
    NODE,
    NOW,
    OTHER,
    RELAY,
    SetClock,
    job_in,
    read,
    request_event,
    run_report,
)


class CountingSigner:
    """The node's key; counts what it signs, and signs differently each time, as a careful signer does."""

    def __init__(self) -> None:
        self.signed = 0
        self._signer = LocalSigner(NODE, lambda n: self.signed.to_bytes(n, "big"))

    @property
    def public_key(self) -> str:
        return NODE.public

    def sign(self, draft: Draft) -> Event:
        self.signed += 1
        return self._signer.sign(draft)


def batch(*live: Job, known: set[JobId] | None = None, policy: Policy | None = None) -> Batch:
    counts: dict[str, int] = {}
    for job in live:
        counts[job.request.customer] = counts.get(job.request.customer, 0) + 1
    return Batch(
        live={job.id: job for job in live},
        live_of=counts,
        known=known or set(),
        signer=CountingSigner(),
        policy=policy or Policy(),
        declines=Declines(policy or Policy()),
        clock=SetClock(),
    )


def arrive(into: Batch, event: Event, relay: str = RELAY) -> None:
    request = read(event)
    assert isinstance(request, JobRequest | Malformed)
    into.arrive(event, request, relay)


def changes(filled: Batch) -> list[Change | Refusal]:
    return [effect.change for effect in filled.effects]


def test_a_request_becomes_a_job_and_an_order_to_fetch() -> None:
    event, into = request_event(), batch()
    arrive(into, event)
    ((effect),) = into.effects
    assert isinstance(effect.change, Change)
    assert effect.orders == (Fetch(),)
    assert effect.change.outgoing == ()
    assert (effect.change.job.id, effect.change.job.state) == (event.id, JobState.FETCHING)
    story = effect.change.story
    assert (story.at, story.fact, story.before, story.after) == (NOW, "Requested", "", "fetching")
    assert (story.detail, story.orders) == (f"seen on {RELAY}", "fetch")
    assert into.jobs == {event.id: effect.change.job}


def test_a_request_seen_on_three_relays_at_once_is_one_job() -> None:
    into = batch()
    for relay in (RELAY, "wss://b.example", "wss://c.example"):
        arrive(into, request_event(), relay)
    (change,) = changes(into)
    assert isinstance(change, Change)
    assert change.job.seen_on == RELAY


def test_a_request_that_was_seen_before_is_passed_over() -> None:
    event = request_event()
    into = batch(known={JobId(event.id)})
    arrive(into, event)
    assert into.effects == []


def test_a_wrong_request_is_refused_once_with_a_signed_answer() -> None:
    event, into = request_event(("relays", "wss://r.example"), named=False), batch()
    arrive(into, event)
    arrive(into, event, "wss://b.example")
    (change,) = changes(into)
    assert isinstance(change, Refusal)
    assert (change.request, change.code, change.story.after) == (event, "no-hash", "declined")
    assert (change.outgoing.job, change.outgoing.purpose) == (event.id, "error")
    assert change.outgoing.relays == ("wss://r.example", RELAY)
    assert change.outgoing.event.pubkey == NODE.public
    assert into.jobs == {}


def test_silence_leaves_no_trace() -> None:
    into = batch()
    arrive(into, request_event(created_at=NOW - 100_000))
    arrive(into, request_event(created_at=NOW - 100_000, named=False))
    assert into.effects == []


def test_the_limit_for_one_customer_counts_what_is_live_and_what_is_being_born() -> None:
    into = batch(job_in(JobState.QUEUED), policy=Policy(live_per_customer_max=3))
    for n in range(1, 5):
        arrive(into, request_event(created_at=NOW - n))
    arrive(into, request_event(key=OTHER))
    codes = [change.code if isinstance(change, Refusal) else "" for change in changes(into)]
    assert codes == ["", "", "busy", "busy", ""]


def test_the_limit_for_all_counts_everybody() -> None:
    into = batch(job_in(JobState.QUEUED), policy=Policy(live_max=2))
    arrive(into, request_event(created_at=NOW - 1))
    arrive(into, request_event(key=OTHER))
    assert [type(change) for change in changes(into)] == [Change, Refusal]


def test_facts_about_one_job_build_on_each_other() -> None:
    job = job_in(JobState.FETCHING)
    into = batch(job)
    into.advance(job.id, PartsFetched(5))
    into.advance(job.id, SlotGranted())
    into.advance(job.id, WorkLingers())
    stories = [change.story for change in changes(into)]
    assert [(s.fact, s.before, s.after) for s in stories] == [
        ("PartsFetched", "fetching", "queued"),
        ("SlotGranted", "queued", "running"),
        ("WorkLingers", "running", "running"),
    ]
    assert into.jobs[job.id].told


def test_what_is_published_is_signed_here_once_and_addressed() -> None:
    job = replace(job_in(JobState.RUNNING, event=request_event(("relays", "wss://r.example", RELAY))))
    into = batch(job)
    into.advance(job.id, RunEnded(1, run_report(output=b"hi")))
    into.advance(job.id, RunEnded(1, run_report(output=b"again")))
    (effect,) = into.effects
    assert isinstance(effect.change, Change)
    (outgoing,) = effect.change.outgoing
    (order,) = effect.orders
    assert isinstance(order, Publish)
    assert outgoing.event.content == order.draft.content == "hi"
    assert outgoing.relays == ("wss://r.example", RELAY)
    assert into._signer.signed == 1  # type: ignore[attr-defined]


def test_late_facts_and_unknown_jobs_are_not_stored() -> None:
    job = job_in(JobState.QUEUED)
    into = batch(job)
    into.advance(job.id, RunEnded(1, run_report()))
    into.advance(job.id, NodeRestarted())
    into.advance(JobId("00" * 32), ResultAccepted(RELAY))
    assert into.effects == []


def test_a_job_that_ended_in_this_batch_stays_ended() -> None:
    job = job_in(JobState.DELIVERING)
    into = batch(job)
    into.advance(job.id, ResultAccepted(RELAY))
    into.advance(job.id, ResultAccepted("wss://b.example"))
    into.advance(job.id, NodeRestarted())
    assert [change.story.after for change in changes(into)] == ["done"]
    assert into.jobs[job.id].state is JobState.DONE


def test_what_cannot_happen_raises_and_leaves_the_batch_as_it_was() -> None:
    job = job_in(JobState.FETCHING)
    into = batch(job)
    into.advance(job.id, PartsFetched(5))
    before = (dict(into.jobs), list(into.effects))
    with pytest.raises(ImpossibleTransition):
        into.advance(job.id, ResultAccepted(RELAY))
    assert (into.jobs, into.effects) == before


def test_nothing_of_the_live_jobs_is_touched() -> None:
    job = job_in(JobState.FETCHING)
    live = {job.id: job}
    into = Batch(
        live=live,
        live_of={CUSTOMER.public: 1},
        known=set(),
        signer=CountingSigner(),
        policy=Policy(),
        declines=Declines(Policy()),
        clock=SetClock(),
    )
    into.advance(job.id, PartsFetched(5))
    arrive(into, request_event(created_at=NOW - 1))
    assert live == {job.id: job}


def test_a_flood_of_wrong_requests_is_answered_only_so_often() -> None:
    """Each error costs a row, a signature and publications; beyond the limits there is silence, and no row."""
    into = batch(policy=Policy(declines_per_customer_max=3, declines_max=5))
    for n in range(10):
        arrive(into, request_event(named=False, content=f"{n}"))
    assert len(into.effects) == 3
    for n in range(10):
        arrive(into, request_event(named=False, content=f"{n}", key=OTHER))
    assert len(into.effects) == 5
    arrive(into, request_event(key=OTHER))
    assert len(into.effects) == 6, "a good request is taken all the same"
