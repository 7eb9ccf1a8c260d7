"""The engine and the whole core on a real store with a real signer; the world outside is three small scripted rooms."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence, Sized
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random

import pytest

from dvm.core import Core, Terms, World
from dvm.engine import BATCH_MAX, Engine
from dvm.outbox import Persistence
from dvm.ports import Fetched, FetchFailed, JobRecord, Outgoing, Run, Transaction
from dvm.store import SqliteStore, open_store
from dvm.supervise import Supervisor
from jobs.admission import Policy
from jobs.component import ComponentRef
from jobs.facts import NodeRestarted, PartsFetched, ResultAccepted, SlotGranted
from jobs.lifecycle import ATTEMPTS_MAX, ImpossibleTransition
from jobs.model import Job, JobState
from jobs.orders import Order
from jobs.outcome import Outcome, RunReport
from jobs.request import JobId, JobRequest, Malformed
from relayclient.clock import SystemClock
from relayclient.connection import Transport
from relayclient.errors import ConnectFailed
from relayclient.event import Event
from relayclient.filters import Filter
from relayclient.keys import LocalSigner
from relayclient.news import CaughtUp, EventSeen, News
from relayclient.pool import Pool
from relayclient.verdicts import Verdict
from tests.support.requests import (
    NODE,
    NOW,
    OTHER,
    RELAY,
    SetClock,
    read,
    request_event,
    run_report,
)

SECOND = "wss://second.example"


# The world outside, scripted


@dataclass
class FakeComponents:
    """Has every component, as soon as the gate is open."""

    answer: Fetched | FetchFailed = field(default_factory=lambda: Fetched(Path("/dev/null"), 8))
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0

    async def fetch(self, ref: ComponentRef) -> Fetched | FetchFailed:
        self.asked += 1
        await self.gate.wait()
        return self.answer


@dataclass
class FakeSandbox:
    """Turns stdin into capitals, as soon as the gate is open. Knows every run it was asked for."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    runs: list[Run] = field(default_factory=list)

    async def run(self, run: Run) -> RunReport:
        self.runs.append(run)
        await self.gate.wait()
        return run_report(output=run.stdin.upper())


@dataclass
class FakeRelays:
    """Keeps what it is sent; `says` answers for a relay, ACCEPTED unless a test has another opinion."""

    says: Callable[[str, Event], Verdict] = lambda relay, event: Verdict.ACCEPTED
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    sent: list[tuple[str, Event]] = field(default_factory=list)

    async def publish(self, event: Event, relay: str) -> tuple[Verdict, str]:
        await self.gate.wait()
        self.sent.append((relay, event))
        return self.says(relay, event), ""

    def about(self, request: Event) -> list[Event]:
        """The answers to one request, each once, in order."""
        return list(dict.fromkeys(event for _, event in self.sent if ("e", request.id, RELAY) in event.tags))


class CountedStore:
    """The real store, and how often it was asked to commit."""

    def __init__(self, store: SqliteStore) -> None:
        self.inner, self.commits = store, 0
        self.live_jobs, self.unsettled, self.cursors = store.live_jobs, store.unsettled, store.cursors
        self.summaries, self.record, self.forget = store.summaries, store.record, store.forget

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        self.commits += 1
        return self.inner.transaction()


@dataclass
class Outside:
    """Everything a node meets in one life; all gates are open unless a test closes one."""

    path: Path
    components: FakeComponents = field(default_factory=FakeComponents)
    sandbox: FakeSandbox = field(default_factory=FakeSandbox)
    relays: FakeRelays = field(default_factory=FakeRelays)
    clock: SetClock = field(default_factory=SetClock)

    def __post_init__(self) -> None:
        for gate in (self.components.gate, self.sandbox.gate, self.relays.gate):
            gate.set()


class RecordedPool(Pool):
    """A pool that nobody runs, and what was wanted of it."""

    def __init__(self) -> None:
        async def dial(url: str) -> Transport:
            raise ConnectFailed(url)

        async def news(_: News) -> None: ...

        super().__init__(dial=dial, clock=SystemClock(), rng=Random(0), news=news)
        self.since: dict[str, int] = {}

    def subscribe(self, name: str, filters: Sequence[Filter], since: Mapping[str, int] | None = None) -> None:
        super().subscribe(name, filters, since)
        self.since = dict(since or {})


async def until(ready: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    """Wait, within reason, until the condition holds."""
    async with asyncio.timeout(20):
        while True:
            answer = ready()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.002)


def has(things: Sized, count: int) -> bool:
    return len(things) >= count


async def nothing_to_send(store: CountedStore) -> bool:
    return not await store.unsettled()


@dataclass
class Life:
    """A node between its start and its end."""

    core: Core
    store: CountedStore

    async def hear(self, event: Event, relay: str = RELAY) -> None:
        await self.core.intake.hear(EventSeen(relay, "jobs", event))

    async def record(self, event: Event) -> JobRecord:
        record = await self.store.record(event.id)
        assert record is not None
        return record

    async def comes_to(self, event: Event, *states: str) -> JobRecord:
        """Wait until the job is in one of the states."""

        async def there() -> bool:
            record = await self.store.record(event.id)
            return record is not None and record.summary.state in states

        await until(there)
        return await self.record(event)

    async def settled(self) -> None:
        """Wait until nothing is left to be sent."""
        await until(lambda: nothing_to_send(self.store))


@asynccontextmanager
async def life(outside: Outside, *, policy: Policy | None = None, slots: int = 2) -> AsyncIterator[Life]:
    """A node that is dropped at the end without a word, as by a power cut: nothing is closed but the file."""
    async with (
        open_store(outside.path, me=NODE.public, clock=outside.clock) as inner,
        Supervisor() as tasks,
    ):
        store = CountedStore(inner)
        world = World(
            store=store,
            signer=LocalSigner(NODE, lambda n: Random().randbytes(n)),
            clock=outside.clock,
            rng=Random(0),
            components=outside.components,
            sandbox=outside.sandbox,
            relays=outside.relays,
        )
        terms = Terms(
            kind=5850, policy=policy or Policy(), own_relays=(RELAY, SECOND), slots=slots, retention_s=30 * 86_400
        )
        core = Core(world, terms, tasks)
        await core.start()
        yield Life(core, store)
        tasks.cancel()


@pytest.fixture(autouse=True)
def _short_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What rides with another commit waits for it a hundredth of a second here."""
    monkeypatch.setattr("dvm.engine.NOTE_DELAY_S", 0.01)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dvm.sqlite3"


def result(record: JobRecord) -> Event:
    (event,) = (outgoing.event for outgoing in record.outgoing if outgoing.purpose == "result")
    return event


# The whole road


def test_a_job_from_its_event_to_its_result(path: Path) -> None:
    event = request_event(("relays", "wss://r.example"), ("param", "arg", "-x"), content="hello")

    async def main() -> None:
        outside = Outside(path)
        async with life(outside) as node:
            await node.hear(event)
            record = await node.comes_to(event, "done")
            await node.settled()
        (run,) = outside.sandbox.runs
        assert (run.job, run.attempt, run.stdin, run.args) == (event.id, 1, b"hello", ("-x",))
        assert (run.clock, run.digest, run.seed) == (event.created_at, "ab" * 32, run.seed)
        assert [(step.fact, step.before, step.after) for step in record.story] == [
            ("Requested", "", "fetching"),
            ("PartsFetched", "fetching", "queued"),
            ("SlotGranted", "queued", "running"),
            ("RunEnded", "running", "delivering"),
            ("ResultAccepted", "delivering", "done"),
        ]
        assert result(record).content == "HELLO"
        assert {(relay, sent.id) for relay, sent in outside.relays.sent} == {
            (relay, result(record).id) for relay in (RELAY, SECOND, "wss://r.example")
        }

    asyncio.run(main())


def test_a_wrong_request_gets_one_error_and_then_a_good_job_runs(path: Path) -> None:
    wrong, good = request_event(named=False), request_event(content="hello")

    async def main() -> None:
        outside = Outside(path)
        async with life(outside) as node:
            for event in (wrong, wrong, good):
                await node.hear(event)
            await node.hear(wrong, SECOND)
            await node.comes_to(good, "done")
            await node.settled()
            await node.hear(wrong)
            await node.core.engine.pulse()
            assert (await node.record(wrong)).summary.state == "declined"
        (error,) = outside.relays.about(wrong)
        assert error.content.startswith("no-hash: ")
        assert len(outside.relays.about(good)) == 1

    asyncio.run(main())


def test_a_component_that_is_nowhere_gets_one_error(path: Path) -> None:
    event = request_event()

    async def main() -> None:
        outside = Outside(path)
        outside.components.answer = FetchFailed("hash-mismatch", "other bytes")
        async with life(outside) as node:
            await node.hear(event)
            record = await node.comes_to(event, "failed")
            await node.settled()
        assert record.summary.code == "hash-mismatch"
        assert [sent.kind for sent in outside.relays.about(event)] == [7000]
        assert outside.sandbox.runs == []

    asyncio.run(main())


def test_a_component_that_vanished_from_the_cache_while_the_job_waited_gets_one_error(path: Path) -> None:
    event = request_event()

    async def main() -> None:
        outside = Outside(path)
        async with life(outside) as node:
            node.core.scheduler.open = False
            await node.hear(event)
            await node.comes_to(event, "queued")
            outside.components.answer = FetchFailed("not-found", "gone")
            node.core.scheduler.open = True
            node.core.scheduler.wake()
            record = await node.comes_to(event, "failed")
        assert record.summary.code == "not-found"
        assert outside.sandbox.runs == []

    asyncio.run(main())


def test_a_customer_who_waits_hears_of_it_before_the_result(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dvm.performer.LINGER_S", 0.01)
    event = request_event()

    async def main() -> None:
        outside = Outside(path)
        outside.sandbox.gate.clear()
        async with life(outside) as node:
            await node.hear(event)
            await until(lambda: bool(outside.relays.about(event)))
            outside.sandbox.gate.set()
            await node.comes_to(event, "done")
            await node.settled()
        assert [answer.kind for answer in outside.relays.about(event)] == [7000, 6850]

    asyncio.run(main())


def test_a_result_that_every_relay_refuses_fails_the_job(path: Path) -> None:
    event = request_event()

    async def main() -> None:
        outside = Outside(path)
        outside.relays.says = lambda relay, event: Verdict.REFUSED
        async with life(outside) as node:
            await node.hear(event)
            record = await node.comes_to(event, "failed")
            await node.settled()
        assert record.summary.code == "undeliverable"
        assert [answer.kind for answer in outside.relays.about(event)] == [6850]

    asyncio.run(main())


def test_a_job_whose_time_is_over_before_its_turn_is_told_so(path: Path) -> None:
    first, second = request_event(), request_event(("expiration", str(NOW + 10)), key=OTHER)

    async def main() -> None:
        outside = Outside(path)
        outside.sandbox.gate.clear()
        async with life(outside, slots=1) as node:
            await node.hear(first)
            await node.comes_to(first, "running")
            await node.hear(second)
            await node.comes_to(second, "queued")
            outside.clock.time = NOW + 11
            node.core.scheduler.wake()
            record = await node.comes_to(second, "failed")
        assert record.summary.code == "expired"
        assert [run.job for run in outside.sandbox.runs] == [first.id]

    asyncio.run(main())


def test_jobs_whose_time_is_over_together_end_in_few_commits(path: Path) -> None:
    made = events(BATCH_MAX)

    async def main() -> None:
        outside = Outside(path)
        outside.components.gate.clear()
        outside.relays.gate.clear()  # nothing else commits meanwhile
        async with life(outside) as node:
            for event in made:
                await node.hear(event)
            await node.core.engine.pulse()
            outside.clock.time = NOW + 601
            before = node.store.commits
            node.core.scheduler.wake()
            await until(lambda: not node.core.engine.live)
            assert node.store.commits - before <= 3

    asyncio.run(main())


def test_a_customer_with_too_many_jobs_is_told_so_and_others_are_not(path: Path) -> None:
    mine = [request_event(created_at=NOW - n) for n in range(4)]
    others = request_event(key=OTHER)

    async def main() -> None:
        outside = Outside(path)
        outside.components.gate.clear()
        async with life(outside, policy=Policy(live_per_customer_max=2)) as node:
            for event in (*mine, others):
                await node.hear(event)
            await node.core.engine.pulse()
            codes = [(await node.record(event)).summary.code for event in (*mine, others)]
            outside.components.gate.set()
            for event in (mine[0], mine[1], others):
                await node.comes_to(event, "done")
            again = request_event(created_at=NOW - 9)
            await node.hear(again)
            await node.comes_to(again, "done")
        assert codes == ["", "", "busy", "busy", ""]

    asyncio.run(main())


# Seen more than once


def test_a_request_runs_once_and_is_answered_once_however_often_and_wherever_it_is_seen(path: Path) -> None:
    event = request_event(content="hello")

    async def main() -> None:
        outside = Outside(path)
        async with life(outside) as node:
            for relay in (RELAY, SECOND, "wss://third.example"):
                await node.hear(event, relay)
            record = await node.comes_to(event, "done")
            await node.hear(event, SECOND)
            await node.settled()
        for _ in range(2):
            async with life(outside) as node:
                await node.hear(event)
                await node.core.engine.pulse()
                assert (await node.comes_to(event, "done")).outgoing == record.outgoing
        assert len(outside.sandbox.runs) == 1
        assert outside.relays.about(event) == [result(record)]
        assert Counter(sent.id for _, sent in outside.relays.sent) == {result(record).id: 2}

    asyncio.run(main())


# Crashes


@pytest.mark.parametrize("state", ["fetching", "queued", "running", "delivering"])
def test_a_job_is_continued_from_wherever_the_node_died(path: Path, state: str) -> None:
    event = request_event(content="hello")

    async def main() -> None:
        first = Outside(path)
        gate = {"fetching": first.components.gate, "running": first.sandbox.gate, "delivering": first.relays.gate}
        if state in gate:
            gate[state].clear()
        async with life(first) as node:
            node.core.scheduler.open = state != "queued"
            await node.hear(event)
            before = await node.comes_to(event, state)

        second = Outside(path)
        async with life(second) as node:
            after = await node.comes_to(event, "done")
            await node.settled()

        assert after.story[: len(before.story)] == before.story
        runs = [*first.sandbox.runs, *second.sandbox.runs]
        assert len(runs) == (2 if state == "running" else 1)
        assert [run.attempt for run in runs] == list(range(1, len(runs) + 1))
        assert len({replace(run, attempt=0) for run in runs}) == 1
        assert second.relays.about(event) == [result(after)]
        assert result(after).content == "HELLO"
        if state == "delivering":
            assert result(after) == result(before)

    asyncio.run(main())


def test_the_same_event_is_sent_after_any_number_of_restarts(path: Path) -> None:
    event = request_event(content="hello")

    async def main() -> None:
        seen: set[Event] = set()
        for _ in range(4):
            outside = Outside(path)
            outside.relays.says = lambda relay, event: Verdict.TRANSIENT
            async with life(outside) as node:
                await node.hear(event)
                sent = outside.relays.sent
                await until(partial(has, sent, 2))
                seen |= {event for _, event in sent}
                assert (await node.record(event)).summary.state == "delivering"
        outside = Outside(path)
        async with life(outside) as node:
            record = await node.comes_to(event, "done")
        assert seen == {result(record)}
        assert outside.sandbox.runs == []

    asyncio.run(main())


def test_a_relay_that_has_the_answer_is_left_in_peace_while_another_one_is_away(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dvm.core.SWEEP_EVERY_S", 0.05)
    event = request_event(content="hello")

    async def main() -> None:
        outside = Outside(path)
        outside.relays.says = lambda relay, event: Verdict.TRANSIENT if relay == SECOND else Verdict.ACCEPTED
        async with life(outside) as node:
            node.core.outbox._persistence = Persistence(first_s=0.001, tries=2)
            await node.hear(event)
            sent = outside.relays.sent
            await until(lambda: sum(relay == SECOND for relay, _ in sent) >= 6)  # three sweeps
            assert sum(relay == RELAY for relay, _ in sent) == 1
            assert not node.core.outbox.unheard
            outside.relays.says = lambda relay, event: Verdict.ACCEPTED
            await node.settled()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("stored", "asked_from"),
    [
        (None, NOW - 86_400),
        (NOW - 100_000, NOW - 86_400),
        (NOW - 50, NOW - 50),
        (NOW + 50, NOW + 50),  # the session asks from its own time at the latest
        (NOW + 31_536_000, NOW - 86_400),  # the clock was wrong: nothing is known about the time before now
    ],
)
def test_a_relay_is_asked_from_where_it_was_last_handled(path: Path, stored: int | None, asked_from: int) -> None:
    async def main() -> None:
        async with life(Outside(path)) as node:
            if stored is not None:
                await node.core.engine.move_cursor(RELAY, stored)
                await node.core.engine.pulse()
            pool = RecordedPool()
            await node.core.listen(pool)
            assert pool.since[RELAY] == asked_from

    asyncio.run(main())


def test_a_job_that_kills_the_node_is_given_up(path: Path) -> None:
    event = request_event()

    async def main() -> None:
        runs = 0
        for _ in range(ATTEMPTS_MAX):
            outside = Outside(path)
            outside.sandbox.gate.clear()
            async with life(outside) as node:
                await node.hear(event)
                await node.comes_to(event, "running")
                await until(partial(has, outside.sandbox.runs, 1))
                runs += len(outside.sandbox.runs)
        outside = Outside(path)
        async with life(outside) as node:
            record = await node.comes_to(event, "failed")
            await node.settled()
        assert (runs, outside.sandbox.runs) == (ATTEMPTS_MAX, [])
        assert record.summary.code == Outcome.SANDBOX_FAILURE.value
        assert [answer.kind for answer in outside.relays.about(event)] == [7000]

    asyncio.run(main())


def test_what_waited_too_long_while_the_node_was_off_is_not_started(path: Path) -> None:
    event = request_event()

    async def main() -> None:
        outside = Outside(path)
        async with life(outside) as node:
            node.core.scheduler.open = False
            await node.hear(event)
            await node.comes_to(event, "queued")
        outside = Outside(path)
        outside.clock.time = NOW + 3600
        async with life(outside) as node:
            record = await node.comes_to(event, "failed")
        assert record.summary.code == "busy"
        assert outside.sandbox.runs == []

    asyncio.run(main())


def test_a_drained_node_lets_the_run_end_and_takes_nothing_new(path: Path) -> None:
    running, late = request_event(content="hello"), request_event(created_at=NOW - 1)

    async def main() -> None:
        outside = Outside(path)
        outside.sandbox.gate.clear()
        async with life(outside) as node:
            await node.hear(running)
            await node.comes_to(running, "running")
            async with asyncio.TaskGroup() as group:
                group.create_task(node.core.drain(20.0))
                await until(lambda: not node.core.intake.open)
                await node.hear(late)
                outside.sandbox.gate.set()
            assert (await node.record(running)).summary.state == "done"
            assert await node.store.record(late.id) is None

    asyncio.run(main())


# The engine alone: what shares a commit, and what does not disturb what


@dataclass
class Heard:
    """Stands where the performer and the outbox stand."""

    steps: list[tuple[str, tuple[Order, ...], tuple[Outgoing, ...]]] = field(default_factory=list)

    def __call__(self, job: Job | None, orders: tuple[Order, ...], outgoing: tuple[Outgoing, ...]) -> None:
        self.steps.append((job.id if job else "", orders, outgoing))


@dataclass
class Alone:
    engine: Engine
    store: CountedStore
    heard: Heard

    async def receive(self, event: Event, relay: str = RELAY) -> None:
        request = read(event)
        assert isinstance(request, JobRequest | Malformed)
        await self.engine.receive(event, request, relay)


@asynccontextmanager
async def alone(path: Path) -> AsyncIterator[Alone]:
    """An engine that is not running yet."""
    clock = SetClock()
    async with open_store(path, me=NODE.public, clock=clock) as inner:
        store, heard = CountedStore(inner), Heard()
        engine = Engine(store=store, signer=LocalSigner(NODE, bytes), clock=clock, policy=Policy())
        engine.tell(heard)
        await engine.restore()
        yield Alone(engine, store, heard)


@asynccontextmanager
async def serving(engine: Engine) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        group.create_task(engine.run())
        yield
        await engine.close()


def events(count: int) -> list[Event]:
    return [request_event(created_at=NOW - n) for n in range(count)]


def test_arrivals_share_a_commit(path: Path) -> None:
    async def main() -> None:
        async with alone(path) as it:
            for event in events(BATCH_MAX):
                await it.receive(event)
            async with serving(it.engine):
                await it.engine.pulse()
                assert it.store.commits <= 2
            assert len(it.engine.live) == BATCH_MAX == len(await it.store.live_jobs())

    asyncio.run(main())


def test_facts_that_come_while_a_commit_is_under_way_share_the_next(path: Path) -> None:
    async def main() -> None:
        async with alone(path) as it:
            made = events(BATCH_MAX)
            async with serving(it.engine):
                for event in made:
                    await it.receive(event)
                await it.engine.pulse()
                before = it.store.commits
                await asyncio.gather(*(it.engine.absorb(JobId(e.id), PartsFetched(1)) for e in made))
                assert it.store.commits - before <= 3
            assert {job.state for job in await it.store.live_jobs()} == {JobState.QUEUED}

    asyncio.run(main())


def test_a_duplicate_in_the_same_batch_and_in_the_next_is_one_job(path: Path) -> None:
    (event,) = events(1)

    async def main() -> None:
        async with alone(path) as it:
            await it.receive(event)
            await it.receive(event, SECOND)
            async with serving(it.engine):
                await it.engine.pulse()
                await it.receive(event)
                await it.engine.pulse()
            assert len(it.heard.steps) == 1
        async with alone(path) as it:
            assert list(it.engine.live) == [event.id]
            async with serving(it.engine):
                await it.receive(event)
                await it.engine.pulse()
            assert it.heard.steps == []

    asyncio.run(main())


def test_one_impossible_fact_does_not_harm_the_others_in_its_batch(path: Path) -> None:
    one, two, three = events(3)

    async def main() -> None:
        async with alone(path) as it:
            for event in (one, two, three):
                await it.receive(event)
            async with serving(it.engine):
                await it.engine.pulse()
                before = it.store.commits
                ends = await asyncio.gather(
                    it.engine.absorb(JobId(one.id), PartsFetched(1)),
                    it.engine.absorb(JobId(two.id), ResultAccepted(RELAY)),
                    it.engine.absorb(JobId(three.id), PartsFetched(1)),
                    return_exceptions=True,
                )
                assert it.store.commits == before + 1
                assert isinstance(ends[1], ImpossibleTransition)
                assert [ends[0], ends[2]] == [None, None]
                await it.engine.absorb(JobId(two.id), PartsFetched(1))
            assert {job.state for job in await it.store.live_jobs()} == {JobState.QUEUED}

    asyncio.run(main())


def test_a_caller_that_was_cancelled_harms_nobody_and_its_fact_counts(path: Path) -> None:
    (event,) = events(1)

    async def main() -> None:
        async with alone(path) as it:
            await it.receive(event)
            async with serving(it.engine):
                await it.engine.pulse()
                caller = asyncio.get_running_loop().create_task(it.engine.absorb(JobId(event.id), PartsFetched(1)))
                await asyncio.sleep(0)
                caller.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await caller
                await it.engine.absorb(JobId(event.id), SlotGranted())
            assert [job.state for job in await it.store.live_jobs()] == [JobState.RUNNING]

    asyncio.run(main())


def test_the_world_hears_only_what_was_committed(path: Path) -> None:
    """The store fails: the orders of that batch are never heard, and the engine does not go on."""
    first, second = events(2)

    async def main() -> None:
        async with alone(path) as it:
            await it.receive(first)
            run = asyncio.get_running_loop().create_task(it.engine.run())
            await it.engine.pulse()

            def full(action: int, name: str | None, *_: object) -> int:
                stopped = action == sqlite3.SQLITE_TRANSACTION and name == "COMMIT"
                return sqlite3.SQLITE_DENY if stopped else sqlite3.SQLITE_OK

            await it.store.inner._db.set_authorizer(full)
            await it.receive(second)
            with pytest.raises(sqlite3.DatabaseError):
                await run
            assert [job for job, _, _ in it.heard.steps] == [first.id]
            assert list(it.engine.live) == [first.id]

    asyncio.run(main())


def test_close_commits_what_is_queued_and_noted(path: Path) -> None:
    made = events(3)
    wrong = request_event(named=False)

    async def main() -> None:
        async with alone(path) as it:
            await it.receive(wrong)
            async with serving(it.engine):
                await it.engine.pulse()
                (answer,) = await it.store.unsettled()
                for event in made:
                    await it.receive(event)
                await it.engine.move_cursor(RELAY, NOW)
                it.engine.settle(answer.event.id)
            assert len(await it.store.live_jobs()) == 3
            assert await it.store.cursors() == {RELAY: NOW}
            assert await it.store.unsettled() == []

    asyncio.run(main())


def test_a_settled_answer_is_stored_even_when_nothing_else_happens(path: Path) -> None:
    async def main() -> None:
        async with alone(path) as it:
            await it.receive(request_event(named=False))
            async with serving(it.engine):
                await it.engine.pulse()
                await asyncio.sleep(0)
                (answer,) = await it.store.unsettled()
                it.engine.settle(answer.event.id)
                await until(lambda: nothing_to_send(it.store))

    asyncio.run(main())


def test_settled_answers_ride_with_the_next_commit(path: Path) -> None:
    (event,) = events(1)

    async def main() -> None:
        async with alone(path) as it:
            await it.receive(request_event(named=False))
            async with serving(it.engine):
                await it.engine.pulse()
                (answer,) = await it.store.unsettled()
                before = it.store.commits
                it.engine.settle(answer.event.id)
                await it.receive(event)
                await it.engine.pulse()
                assert it.store.commits - before <= 2
                assert await it.store.unsettled() == []

    asyncio.run(main())


def test_a_cursor_moves_only_after_what_was_received_before_it(path: Path) -> None:
    async def main() -> None:
        async with alone(path) as it:
            for event in events(BATCH_MAX):
                await it.receive(event)
            await it.engine.move_cursor(RELAY, NOW)
            real = it.store.inner.transaction
            seen: list[tuple[int, dict[str, int]]] = []

            @asynccontextmanager
            async def watched() -> AsyncIterator[Transaction]:
                async with real() as tx:
                    yield tx
                seen.append((len(await it.store.live_jobs()), await it.store.cursors()))

            it.store.inner.transaction = watched  # type: ignore[assignment, method-assign]
            async with serving(it.engine):
                await it.engine.pulse()
            assert seen[0] == (BATCH_MAX, {})
            assert seen[-1] == (BATCH_MAX, {RELAY: NOW})

    asyncio.run(main())


def test_every_restored_job_is_told_of_the_restart_in_few_commits(path: Path) -> None:
    made = events(BATCH_MAX)

    async def main() -> None:
        async with alone(path) as it:
            for event in made:
                await it.receive(event)
            async with serving(it.engine):
                await it.engine.pulse()
        async with alone(path) as it:
            async with serving(it.engine):
                await it.engine.resume()
                assert it.store.commits <= 3
            assert sorted(job for job, _, _ in it.heard.steps) == sorted(event.id for event in made)
            record = await it.store.record(made[0].id)
            assert record is not None
            assert record.story[-1].fact == type(NodeRestarted()).__name__

    asyncio.run(main())


def test_the_intake_moves_cursors_and_stops_with_them(path: Path) -> None:
    async def main() -> None:
        outside = Outside(path)
        async with life(outside) as node:
            await node.core.intake.hear(CaughtUp(RELAY, "jobs", NOW))
            await node.core.engine.pulse()
            node.core.intake.open = False
            await node.core.intake.hear(CaughtUp(RELAY, "jobs", NOW + 5))
            await node.core.engine.pulse()
            assert await node.store.cursors() == {RELAY: NOW}

    asyncio.run(main())
