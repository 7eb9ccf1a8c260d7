"""Dialogues with the table: a fact happens (>>), the job moves and orders follow (<<)."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

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
from jobs.lifecycle import ATTEMPTS_MAX, TABLE, ImpossibleTransition, advance, born, declined
from jobs.model import ENDED, Job, JobState
from jobs.orders import Fetch, Order, Publish, StartRun
from jobs.outcome import Outcome
from jobs.request import Malformed
from tests.support.requests import NOW, RELAY, job_in, offer_for, request_event, run_report, taken

FETCHING, QUEUED, RUNNING, DELIVERING = JobState.FETCHING, JobState.QUEUED, JobState.RUNNING, JobState.DELIVERING
DONE, FAILED, DECLINED = JobState.DONE, JobState.FAILED, JobState.DECLINED


def said(order: Order) -> str:
    """An order in short: what a dialogue compares."""
    match order:
        case Publish("error", draft):
            return "publish error " + draft.content.partition(":")[0]
        case Publish(purpose):
            return f"publish {purpose}"
        case StartRun(attempt):
            return f"start run {attempt}"
        case Fetch():
            return "fetch"


class Dialogue:
    """One job; `>>` tells it what happened, `<<` states what must follow."""

    def __init__(self, job: Job, orders: tuple[Order, ...] = (), now: int = NOW) -> None:
        self.job, self._orders, self._now = job, orders, now

    def __rshift__(self, fact: Fact) -> Dialogue:
        return Dialogue(*advance(self.job, fact, self._now), self._now)

    def __lshift__(self, expected: tuple[object, ...]) -> Dialogue:
        state, *orders = expected
        assert self.job.state is state
        assert [said(order) for order in self._orders] == orders
        return self


def birth() -> Dialogue:
    request = taken(request_event())
    return Dialogue(*born(request, offer_for(request), RELAY, NOW))


def finished(attempt: int, output: bytes = b"hi") -> RunEnded:
    return RunEnded(attempt, run_report(output=output))


# The road of a job


def test_a_job_that_goes_well() -> None:
    end = (
        birth()
        << (FETCHING, "fetch")
        >> PartsFetched(100)
        << (QUEUED,)
        >> SlotGranted()
        << (RUNNING, "start run 1")
        >> finished(1)
        << (DELIVERING, "publish result")
        >> ResultAccepted(RELAY)
        << (DONE,)
    )
    assert end.job.ended_at == NOW
    assert end.job.code == ""


def test_a_customer_who_waits_is_told_once() -> None:
    (
        birth()
        >> WorkLingers()
        << (FETCHING, "publish processing")
        >> PartsFetched(100)
        >> WorkLingers()
        << (QUEUED,)
        >> SlotGranted()
        >> WorkLingers()
        << (RUNNING,)
        >> finished(1)
        << (DELIVERING, "publish result")
    )


@pytest.mark.parametrize("state", [FETCHING, QUEUED, RUNNING])
def test_the_customer_is_told_wherever_the_job_waits(state: JobState) -> None:
    moved = Dialogue(job_in(state)) >> WorkLingers() << (state, "publish processing")
    assert moved.job.told


def test_nobody_is_told_that_work_goes_on_when_the_result_is_already_there() -> None:
    Dialogue(job_in(DELIVERING)) >> WorkLingers() << (DELIVERING,)


@pytest.mark.parametrize("state", [FETCHING, RUNNING])
def test_a_component_that_is_nowhere_ends_the_job(state: JobState) -> None:
    """Running too: the cache may have lost it while the job was queued."""
    end = (
        Dialogue(job_in(state))
        >> PartsMissing("hash-mismatch", "other bytes")
        << (FAILED, "publish error hash-mismatch")
    )
    assert (end.job.code, end.job.ended_at) == ("hash-mismatch", NOW)


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.FINISHED], ids=lambda o: o.value)
def test_a_run_that_ends_badly_ends_the_job_with_its_code(outcome: Outcome) -> None:
    fact = RunEnded(1, run_report(outcome))
    end = Dialogue(job_in(RUNNING)) >> fact << (FAILED, f"publish error {outcome.value}")
    assert end.job.code == outcome.value


def test_a_component_that_exits_with_1_has_a_result() -> None:
    Dialogue(job_in(RUNNING)) >> RunEnded(1, run_report(exit_code=1)) << (DELIVERING, "publish result")


def test_an_output_that_fits_into_no_event_is_an_error() -> None:
    Dialogue(job_in(RUNNING)) >> finished(1, bytes(60_000)) << (FAILED, "publish error output-too-large")


@pytest.mark.parametrize("state", [FETCHING, QUEUED])
def test_a_job_whose_turn_did_not_come_is_told_to_try_again(state: JobState) -> None:
    Dialogue(job_in(state)) >> DeadlinePassed(state) << (FAILED, "publish error busy")


def test_a_job_that_expired_while_it_waited_is_told_so() -> None:
    job = job_in(QUEUED, event=request_event(("expiration", str(NOW - 1)), created_at=NOW - 60))
    Dialogue(job) >> DeadlinePassed(QUEUED) << (FAILED, "publish error expired")


def test_a_result_that_no_relay_takes_fails_without_another_answer() -> None:
    end = Dialogue(job_in(DELIVERING)) >> ResultRefused("none of 2") << (FAILED,)
    assert end.job.code == "undeliverable"


def test_a_declined_request_is_answered_with_one_error() -> None:
    order = declined(request_event(), Malformed("no-hash", "name it"), RELAY, NOW)
    assert said(order) == "publish error no-hash"


# A restart


def test_every_live_state_answers_a_restart() -> None:
    answers = {
        FETCHING: (FETCHING, "fetch"),
        QUEUED: (QUEUED,),
        RUNNING: (QUEUED,),
        DELIVERING: (DELIVERING,),
    }
    assert set(answers) == set(JobState) - ENDED
    for state, answer in answers.items():
        Dialogue(job_in(state)) >> NodeRestarted() << answer


def test_a_run_that_the_node_did_not_survive_is_tried_again_but_not_for_ever() -> None:
    talk = Dialogue(job_in(QUEUED))
    for attempt in range(1, ATTEMPTS_MAX):
        talk = talk >> SlotGranted() << (RUNNING, f"start run {attempt}") >> NodeRestarted() << (QUEUED,)
    talk >> SlotGranted() >> NodeRestarted() << (FAILED, "publish error sandbox-failure")


# Late and stale facts

EVERY_FACT: tuple[Fact, ...] = (
    PartsFetched(1),
    PartsMissing("not-found", "nowhere"),
    SlotGranted(),
    finished(1),
    WorkLingers(),
    DeadlinePassed(QUEUED),
    ResultAccepted(RELAY),
    ResultRefused("no"),
    NodeRestarted(),
)


def test_the_list_of_facts_is_complete() -> None:
    assert {type(fact) for fact in EVERY_FACT} == set(get_args(Fact))


@pytest.mark.parametrize("state", ENDED, ids=lambda s: s.value)
@pytest.mark.parametrize("fact", EVERY_FACT, ids=lambda f: type(f).__name__)
def test_after_the_end_nothing_changes(state: JobState, fact: Fact) -> None:
    job = job_in(state)
    assert advance(job, fact, NOW) == (job, ())


@pytest.mark.parametrize(
    ("job", "fact"),
    [
        (job_in(RUNNING, attempt=2), finished(1)),
        (job_in(QUEUED, attempt=1), finished(1)),
        (job_in(DELIVERING, attempt=2), finished(2)),
        (job_in(QUEUED), DeadlinePassed(FETCHING)),
        (job_in(RUNNING), DeadlinePassed(QUEUED)),
        (job_in(QUEUED), PartsFetched(1)),
        (job_in(RUNNING), PartsFetched(1)),
        (job_in(DELIVERING), PartsFetched(1)),
        (job_in(RUNNING, told=True), WorkLingers()),
    ],
    ids=lambda v: v.state.value if isinstance(v, Job) else type(v).__name__,
)
def test_what_is_about_a_wait_or_an_attempt_that_is_over_changes_nothing(job: Job, fact: Fact) -> None:
    assert advance(job, fact, NOW) == (job, ())


# The table as such


def live_fact(state: JobState, kind: type[Fact]) -> Fact:
    """A fact of this kind that is neither late nor stale in this state."""
    return DeadlinePassed(state) if kind is DeadlinePassed else next(f for f in EVERY_FACT if type(f) is kind)


@pytest.mark.parametrize("pair", TABLE, ids=lambda p: f"{p[0].value}-{p[1].__name__}")
def test_every_pair_of_the_table_is_reached(pair: tuple[JobState, type[Fact]]) -> None:
    state, kind = pair
    job = job_in(state)
    after, orders = advance(job, live_fact(state, kind), NOW)
    quiet = {(QUEUED, NodeRestarted), (DELIVERING, NodeRestarted)}
    assert ((after, orders) == (job, ())) == (pair in quiet)


MISSING = [
    *((FETCHING, kind) for kind in (SlotGranted, ResultAccepted, ResultRefused)),
    *((QUEUED, kind) for kind in (PartsMissing, ResultAccepted, ResultRefused)),
    *((RUNNING, kind) for kind in (SlotGranted, DeadlinePassed, ResultAccepted, ResultRefused)),
    *((DELIVERING, kind) for kind in (SlotGranted, DeadlinePassed, PartsMissing)),
]


@pytest.mark.parametrize("pair", MISSING, ids=lambda p: f"{p[0].value}-{p[1].__name__}")
def test_what_cannot_happen_raises_and_says_where_the_job_stands(pair: tuple[JobState, type[Fact]]) -> None:
    state, kind = pair
    job = job_in(state)
    with pytest.raises(
        ImpossibleTransition, match=f"^job {job.id[:12]} is {state.value}: {kind.__name__} cannot happen$"
    ):
        advance(job, live_fact(state, kind), NOW)


def test_every_pair_is_in_the_table_or_stale_or_impossible() -> None:
    for state in set(JobState) - ENDED:
        for kind in get_args(Fact):
            stale = (state, kind) not in TABLE and (state, kind) not in MISSING
            if stale:
                job = job_in(state)
                assert advance(job, live_fact(state, kind), NOW) == (job, ())


# Any sequence of facts, possible or not

ANY_FACT = st.one_of(
    st.just(PartsFetched(1)),
    st.just(PartsMissing("not-found", "nowhere")),
    st.just(SlotGranted()),
    st.builds(
        RunEnded,
        st.integers(0, ATTEMPTS_MAX + 1),
        st.builds(run_report, st.sampled_from(Outcome), st.sampled_from([b"", b"hi", b"\xff", bytes(60_000)])),
    ),
    st.just(WorkLingers()),
    st.builds(DeadlinePassed, st.sampled_from(JobState)),
    st.just(ResultAccepted(RELAY)),
    st.just(ResultRefused("no")),
    st.just(NodeRestarted()),
)


@given(st.lists(ANY_FACT, max_size=40))
@settings(max_examples=300, deadline=None)
def test_no_sequence_of_facts_breaks_a_promise(facts: list[Fact]) -> None:
    job, orders = born(REQUEST, OFFER, RELAY, NOW)
    published: list[str] = []
    runs = 0
    restarts = facts.count(NodeRestarted())
    for fact in facts:
        before = job
        try:
            job, orders = advance(job, fact, NOW)
        except ImpossibleTransition:
            continue
        published += [order.purpose for order in orders if isinstance(order, Publish)]
        runs += sum(isinstance(order, StartRun) for order in orders)
        if before.state in ENDED:
            assert job is before
    keep_their_promises(job, published, runs, restarts)


def keep_their_promises(job: Job, published: list[str], runs: int, restarts: int) -> None:
    """What holds after any sequence of facts."""
    assert all(published.count(purpose) <= 1 for purpose in ("result", "error", "processing"))
    assert not {"result", "error"} <= set(published)
    assert ("result" in published) == (job.state in (DELIVERING, DONE) or job.code == "undeliverable")
    assert ("error" in published) == (job.state is FAILED and job.code != "undeliverable")
    assert ("processing" in published) == job.told
    assert runs == job.attempt <= min(1 + restarts, ATTEMPTS_MAX)
    assert (job.ended_at is not None) == (job.state in ENDED) == (not job.state.live)
    assert bool(job.code) == (job.state is FAILED)


REQUEST = taken(request_event())
OFFER = offer_for(REQUEST)


# A world that does what the rooms promise, in any order and with crashes at any time


class World(RuleBasedStateMachine):
    """The rooms' side of the dialogue: what is in work, and what can be reported about it."""

    def __init__(self) -> None:
        super().__init__()
        self.job, orders = born(REQUEST, OFFER, RELAY, NOW)
        self.fetches = self.lingering = 0
        self.runs: set[int] = set()
        self.started: list[int] = []
        self.published: list[str] = []
        self.restarts = 0
        self.obey(orders)

    def obey(self, orders: tuple[Order, ...]) -> None:
        for order in orders:
            match order:
                case Fetch():
                    self.fetches += 1
                    self.lingering += 1
                case StartRun(attempt):
                    self.runs.add(attempt)
                    self.started.append(attempt)
                case Publish(purpose):
                    self.published.append(purpose)

    def happens(self, fact: Fact) -> None:
        ended = self.job if self.job.state in ENDED else None
        self.job, orders = advance(self.job, fact, NOW)  # and it is never impossible
        assert ended is None or self.job is ended
        self.obey(orders)

    @precondition(lambda self: self.fetches)
    @rule(found=st.booleans())
    def fetch_ends(self, found: bool) -> None:
        self.fetches -= 1
        self.happens(PartsFetched(1) if found else PartsMissing("not-found", "nowhere"))

    @precondition(lambda self: self.job.state is QUEUED)
    @rule()
    def scheduler_has_a_slot(self) -> None:
        self.happens(SlotGranted())

    @rule(watched=st.sampled_from([FETCHING, QUEUED]))
    def scheduler_sees_the_deadline(self, watched: JobState) -> None:
        self.happens(DeadlinePassed(watched))  # of what it saw: the job may have moved since

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), outcome=st.sampled_from(Outcome))
    def run_ends(self, data: st.DataObject, outcome: Outcome) -> None:
        attempt = data.draw(st.sampled_from(sorted(self.runs)))
        self.runs.remove(attempt)
        self.happens(RunEnded(attempt, run_report(outcome)))

    @precondition(lambda self: self.runs)
    @rule()
    def cache_has_lost_the_component(self) -> None:
        self.runs.clear()
        self.happens(PartsMissing("not-found", "nowhere"))

    @precondition(lambda self: self.lingering)
    @rule()
    def customer_has_waited(self) -> None:
        self.lingering -= 1
        self.happens(WorkLingers())

    @precondition(lambda self: "result" in self.published)
    @rule(accepted=st.booleans())
    def relays_answer(self, accepted: bool) -> None:
        self.happens(ResultAccepted(RELAY) if accepted else ResultRefused("none of 2"))

    @rule()
    def node_dies_and_comes_back(self) -> None:
        self.fetches = self.lingering = 0
        self.runs.clear()
        self.restarts += 1
        self.happens(NodeRestarted())

    @invariant()
    def promises_are_kept(self) -> None:
        keep_their_promises(self.job, self.published, len(self.started), self.restarts)
        assert self.started == sorted(set(self.started))

    @invariant()
    def something_is_always_under_way(self) -> None:
        """A live job waits for something that will come: it cannot be forgotten."""
        waits = {FETCHING: self.fetches > 0, RUNNING: bool(self.runs), DELIVERING: "result" in self.published}
        assert waits.get(self.job.state, True)


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
