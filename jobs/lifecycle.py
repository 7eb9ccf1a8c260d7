"""THE table: what each fact does to a job in each state, and what is to be done then.

    born:       -> fetching  or  declined
    fetching    PartsFetched -> queued        PartsMissing -> failed
    queued      SlotGranted  -> running       DeadlinePassed -> failed
    running     RunEnded     -> delivering or failed
    delivering  ResultAccepted -> done        ResultRefused -> failed

A pair that is not in the table is a bug and raises `ImpossibleTransition`. After the end, and for a fact about an
attempt or a wait that is over, nothing changes: such facts are late, not wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from jobs import reply
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
    WorkLingers,
)
from jobs.model import Job, JobState, Offer
from jobs.orders import Fetch, Order, Publish, StartRun
from jobs.outcome import Outcome
from jobs.request import JobRequest, Malformed
from relayclient.event import Event

ATTEMPTS_MAX = 3
"""A job that was running when the node died this many times is not tried again: it may be what killed it."""

Step = tuple[Job, tuple[Order, ...]]
Rule = Callable[[Job, Fact, int], Step]


class ImpossibleTransition(Exception):
    """The table has no rule for this fact in this state."""

    def __init__(self, job: Job, fact: Fact) -> None:
        super().__init__(job, fact)
        self.job, self.fact = job, fact

    def __str__(self) -> str:
        return f"job {self.job.id[:12]} is {self.job.state.value}: {type(self.fact).__name__} cannot happen"


def born(request: JobRequest, offer: Offer, seen_on: str, now: int) -> Step:
    """An accepted request becomes a job."""
    job = Job(request=request, offer=offer, state=JobState.FETCHING, seen_on=seen_on, born_at=now)
    return job, (Fetch(),)


def declined(request: Event, why: Malformed, seen_on: str, now: int) -> Publish:
    """A request that was for us but wrong gets one error, and that is its whole life."""
    return Publish("error", reply.error(request, seen_on, why.code, why.sentence, now))


def advance(job: Job, fact: Fact, now: int) -> Step:
    """The job after the fact, and the orders that follow. `now` is unix time."""
    if not job.state.live or _stale(job, fact):
        return job, ()
    rule = TABLE.get((job.state, type(fact)))
    if rule is None:
        raise ImpossibleTransition(job, fact)
    return rule(job, fact, now)


def _stale(job: Job, fact: Fact) -> bool:
    """Whether the fact is about an attempt or a wait that is over."""
    match fact:
        case RunEnded(attempt):
            return job.state is not JobState.RUNNING or attempt != job.attempt
        case DeadlinePassed(watched):
            return watched is not job.state
        case WorkLingers():
            return job.told or job.state is JobState.DELIVERING
        case PartsFetched():
            return job.state is not JobState.FETCHING
        case _:
            return False


# The rules. Each is only called with the fact that the table pairs it with.


def _queue(job: Job, _fact: Fact, _now: int) -> Step:
    return replace(job, state=JobState.QUEUED), ()


def _start(job: Job, _fact: Fact, _now: int) -> Step:
    attempt = job.attempt + 1
    return replace(job, state=JobState.RUNNING, attempt=attempt), (StartRun(attempt),)


def _missing(job: Job, fact: Fact, now: int) -> Step:
    assert isinstance(fact, PartsMissing)
    return _fail(job, fact.code, fact.sentence, now)


def _deadline(job: Job, _fact: Fact, now: int) -> Step:
    code = "expired" if job.request.expiration is not None and job.request.expiration <= now else "busy"
    return _fail(job, code, "its turn did not come in time; try again later", now)


def _ended(job: Job, fact: Fact, now: int) -> Step:
    assert isinstance(fact, RunEnded)
    report = fact.report
    if report.outcome is Outcome.FINISHED:
        draft = reply.result(job, report, now)
        if draft is not None:
            return replace(job, state=JobState.DELIVERING), (Publish("result", draft),)
        report = reply.without_result(report)
    failed = replace(job, state=JobState.FAILED, code=report.outcome.value, ended_at=now)
    return failed, (Publish("error", reply.run_error(job, report, now)),)


def _linger(job: Job, _fact: Fact, now: int) -> Step:
    draft = reply.processing(job.request, job.seen_on, now)
    return replace(job, told=True), (Publish("processing", draft),)


def _accepted(job: Job, _fact: Fact, now: int) -> Step:
    return replace(job, state=JobState.DONE, ended_at=now), ()


def _refused(job: Job, _fact: Fact, now: int) -> Step:
    """No error is published: the relays that would carry it are those that refused the result."""
    return replace(job, state=JobState.FAILED, code="undeliverable", ended_at=now), ()


def _fetch_again(job: Job, _fact: Fact, _now: int) -> Step:
    return job, (Fetch(),)


def _nothing(job: Job, _fact: Fact, _now: int) -> Step:
    return job, ()


def _run_again(job: Job, _fact: Fact, now: int) -> Step:
    if job.attempt >= ATTEMPTS_MAX:
        told = f"the node stopped {job.attempt} times while it ran; it is not tried again"
        return _fail(job, Outcome.SANDBOX_FAILURE.value, told, now)
    return replace(job, state=JobState.QUEUED), ()


def _fail(job: Job, code: str, sentence: str, now: int) -> Step:
    draft = reply.error(job.request.event, job.seen_on, code, sentence, now)
    return replace(job, state=JobState.FAILED, code=code, ended_at=now), (Publish("error", draft),)


TABLE: dict[tuple[JobState, type[Fact]], Rule] = {
    (JobState.FETCHING, PartsFetched): _queue,
    (JobState.FETCHING, PartsMissing): _missing,
    (JobState.FETCHING, WorkLingers): _linger,
    (JobState.FETCHING, DeadlinePassed): _deadline,
    (JobState.FETCHING, NodeRestarted): _fetch_again,
    (JobState.QUEUED, SlotGranted): _start,
    (JobState.QUEUED, WorkLingers): _linger,
    (JobState.QUEUED, DeadlinePassed): _deadline,
    (JobState.QUEUED, NodeRestarted): _nothing,
    (JobState.RUNNING, RunEnded): _ended,
    (JobState.RUNNING, PartsMissing): _missing,
    (JobState.RUNNING, WorkLingers): _linger,
    (JobState.RUNNING, NodeRestarted): _run_again,
    (JobState.DELIVERING, ResultAccepted): _accepted,
    (JobState.DELIVERING, ResultRefused): _refused,
    (JobState.DELIVERING, NodeRestarted): _nothing,
}
