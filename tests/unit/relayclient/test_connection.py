"""The driver with a relay played by the test, in virtual time: hours of back-off take no time at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest

from relayclient.backoff import Backoff
from relayclient.clock import moment
from relayclient.connection import Link
from relayclient.errors import Reason
from relayclient.filters import Filter
from relayclient.limits import PoolLimits, SessionLimits
from relayclient.news import Answered, CaughtUp, Connected, Disconnected, EventSeen, News
from relayclient.protocol import Session
from relayclient.recent import Recent
from relayclient.verdicts import Verdict
from tests.support.events import signed
from tests.support.scripted_transport import ScriptedRelays, ScriptedTransport
from tests.support.virtual_time import VirtualClock, run

URL = "wss://relay.example"
SEEDS = [None, 1, 2, 3]


class Stage:
    """One link that runs, its relay, and what was told."""

    def __init__(self, limits: PoolLimits) -> None:
        self.clock = VirtualClock()
        self.relays = ScriptedRelays()
        self.told: list[News] = []
        self.answers: list[Answered] = []
        self.listening = asyncio.Event()
        """Cleared by a test, whoever is told something does not come back."""
        self.listening.set()
        rng = Random(1)
        self.link = Link(
            Session(URL, rng=rng, limits=limits.session, verified=Recent(100)),
            dial=self.relays.dial,
            clock=self.clock,
            backoff=Backoff(limits.reconnect, rng),
            limits=limits,
            deliver=self._deliver,
            answered=self.answers.append,
        )

    async def _deliver(self, news: News) -> None:
        await self.listening.wait()
        self.told.append(news)

    def subscribe(self) -> None:
        self.link.session.subscribe("jobs", [Filter(kinds=(5850,))], moment(self.clock))
        self.link.collect()


@asynccontextmanager
async def running(stage: Stage, *, temporary: bool = False) -> AsyncIterator[None]:
    task = asyncio.create_task(stage.link.run(temporary=temporary))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()


def dialogue(*, temporary: bool = False, **limits: object) -> Callable[[Callable[[Stage], Awaitable[None]]], object]:
    """Runs the test in virtual time under several orders of tasks."""

    def wrap(test: Callable[[Stage], Awaitable[None]]) -> object:
        async def main() -> None:
            stage = Stage(PoolLimits(**limits))  # type: ignore[arg-type]
            async with running(stage, temporary=temporary):
                await test(stage)

        @pytest.mark.parametrize("seed", SEEDS)
        def run_test(seed: int | None) -> None:
            run(main(), seed=seed)

        return run_test

    return wrap


@dialogue()
async def test_frames_go_in_and_out_and_news_come_in_order(s: Stage) -> None:
    s.subscribe()
    relay = await s.relays.accept(URL)
    _, wire_id, _ = await relay.next_sent()
    one, two = signed("one"), signed("two")
    relay.says(["EVENT", wire_id, one.to_wire()])
    relay.says(["EOSE", wire_id])
    relay.says(["EVENT", wire_id, two.to_wire()])
    await asyncio.sleep(1)
    assert s.told == [
        Connected(URL),
        EventSeen(URL, "jobs", one),
        CaughtUp(URL, "jobs", s.clock.now() - 1),
        EventSeen(URL, "jobs", two),
    ]
    assert s.link.connected
    assert s.link.counters == {"event": 2}


@dialogue()
async def test_poison_is_counted_and_a_good_event_follows_on_the_same_connection(s: Stage) -> None:
    s.subscribe()
    relay = await s.relays.accept(URL)
    _, wire_id, _ = await relay.next_sent()
    relay.says(b"\xff\x00")
    relay.says("[" * 10_000)
    relay.says(["EVENT", wire_id, {"kind": 5850}])
    relay.says(["NOTICE", "\x1b[2J"])
    relay.says(["EVENT", wire_id, (good := signed()).to_wire()])
    await asyncio.sleep(1)
    assert s.told == [Connected(URL), EventSeen(URL, "jobs", good)]
    assert s.link.counters == {
        Reason.NOT_UTF8.value: 1,
        Reason.TOO_MANY_BRACKETS.value: 1,
        Reason.MISSING_FIELD.value: 1,
        "notice": 1,
        "event": 1,
    }
    assert s.link.last_notice == "\ufffd[2J"
    assert s.relays.dialled == [URL]


@dialogue()
async def test_a_lost_connection_is_made_again_and_subscriptions_with_it(s: Stage) -> None:
    s.subscribe()
    relay = await s.relays.accept(URL)
    _, wire_id, _ = await relay.next_sent()
    relay.says(["EOSE", wire_id])
    await asyncio.sleep(1)
    since = s.clock.now() - 1
    relay.hangs_up("power cut")
    relay = await s.relays.accept(URL)
    _, _, f = await relay.next_sent()
    assert f["since"] == since - 600
    await asyncio.sleep(0)
    [lost] = [n for n in s.told if isinstance(n, Disconnected)]
    assert lost.why == "power cut"
    assert lost.retry_in <= 1


@dialogue()
async def test_a_relay_that_accepts_and_closes_is_dialled_ever_more_rarely(s: Stage) -> None:
    s.subscribe()

    async def accept_and_close() -> None:
        while True:
            (await s.relays.accept(URL)).hangs_up()

    task = asyncio.create_task(accept_and_close())
    await asyncio.sleep(3600)
    task.cancel()
    assert 5 <= len(s.relays.dialled) <= 30
    await asyncio.sleep(1)
    assert not s.link.connected


@dialogue()
async def test_a_relay_that_does_its_work_is_dialled_again_soon_however_often_it_closes(s: Stage) -> None:
    s.subscribe()
    for _ in range(20):
        relay = await s.relays.accept(URL)
        _, wire_id, _ = await relay.next_sent()
        relay.says(["EOSE", wire_id])
        relay.hangs_up()
    assert s.clock.monotonic() <= 20
    await asyncio.sleep(0.1)
    assert max(n.retry_in for n in s.told if isinstance(n, Disconnected)) <= 1


@dialogue()
async def test_what_a_lost_connection_did_not_take_is_not_sent_on_the_next_one(s: Stage) -> None:
    relay = await s.relays.accept(URL)
    relay.reading.clear()
    for i in range(3):
        s.link.publish(signed(str(i)))
    await asyncio.sleep(0.1)
    relay.hangs_up()
    relay = await s.relays.accept(URL)
    await asyncio.sleep(1)
    assert [a.verdict for a in s.answers] == [Verdict.TRANSIENT] * 3
    assert relay.sent_nothing()


@dialogue()
async def test_a_flood_leaves_the_other_tasks_their_turns(s: Stage) -> None:
    relay = await s.relays.accept(URL)
    for _ in range(3200):
        relay.says("null")
    turns = 0
    while s.link.counters.total() < 3200:
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 90


@dialogue()
async def test_refused_and_hanging_connections_are_tried_again(s: Stage) -> None:
    s.relays.refusing.add(URL)
    await asyncio.sleep(60)
    assert s.link.last_error == "refused"
    s.relays.refusing.clear()
    s.relays.hanging.add(URL)
    await asyncio.sleep(600)
    assert s.link.last_error == "TimeoutError"
    s.relays.hanging.clear()
    await s.relays.accept(URL)
    assert [type(n) for n in s.told if not isinstance(n, Disconnected)] in ([], [Connected])


@dialogue()
async def test_a_publication_waits_for_the_connection_being_made(s: Stage) -> None:
    s.link.publish(e := signed())
    relay = await s.relays.accept(URL)
    assert await relay.next_sent() == ["EVENT", e.to_wire()]
    relay.says(["OK", e.id, True, ""])
    await asyncio.sleep(0.1)
    assert s.answers == [Answered(URL, e.id, Verdict.ACCEPTED, "")]


@dialogue()
async def test_a_publication_during_back_off_fails_at_once(s: Stage) -> None:
    s.relays.refusing.add(URL)
    await asyncio.sleep(100)
    s.link.publish(e := signed())
    assert s.answers == [Answered(URL, e.id, Verdict.TRANSIENT, "not connected: refused")]


@dialogue()
async def test_a_publication_without_answer_times_out(s: Stage) -> None:
    await s.relays.accept(URL)
    s.link.publish(signed())
    await asyncio.sleep(9.9)
    assert s.answers == []
    await asyncio.sleep(0.2)
    assert [a.verdict for a in s.answers] == [Verdict.TRANSIENT]


@dialogue()
async def test_a_publication_that_a_lost_connection_swallowed_is_answered(s: Stage) -> None:
    relay = await s.relays.accept(URL)
    s.link.publish(e := signed())
    await relay.next_sent()
    relay.hangs_up("gone")
    await asyncio.sleep(0.1)
    assert s.answers == [Answered(URL, e.id, Verdict.TRANSIENT, "gone")]


@dialogue()
async def test_a_relay_that_does_not_read_is_left(s: Stage) -> None:
    relay = await s.relays.accept(URL)
    relay.reading.clear()
    s.link.publish(signed())
    await asyncio.sleep(31)
    assert s.link.last_error == "the relay does not read"
    assert relay.closed


@dialogue(inbox=10)
async def test_when_the_caller_is_slow_the_relay_waits_but_answers_are_not_lost(s: Stage) -> None:
    s.subscribe()
    relay = await s.relays.accept(URL)
    _, wire_id, _ = await relay.next_sent()
    s.listening.clear()
    events = [signed(str(i)) for i in range(30)]
    s.link.publish(events[0])
    relay.says(["OK", events[0].id, True, ""])
    for event in events:
        relay.says(["EVENT", wire_id, event.to_wire()])
    await asyncio.sleep(5)
    assert s.answers
    assert relay.unread > 10
    s.listening.set()
    await asyncio.sleep(1)
    assert relay.unread == 0
    assert [n.event for n in s.told if isinstance(n, EventSeen)] == events


@dialogue(inbox=4, session=SessionLimits(caught_up_every_s=1.0))
async def test_the_inbox_is_bounded_even_when_the_caller_never_comes_back(s: Stage) -> None:
    s.subscribe()
    relay = await s.relays.accept(URL)
    _, wire_id, _ = await relay.next_sent()
    s.listening.clear()
    relay.says(["EOSE", wire_id])
    await asyncio.sleep(1000)
    assert len(s.link._inbox) <= 8
    s.listening.set()
    await asyncio.sleep(10)
    confirmed = [n.upto for n in s.told if isinstance(n, CaughtUp)]
    assert s.clock.now() - confirmed[-1] <= 3


@dialogue(temporary=True)
async def test_a_temporary_link_ends_when_idle(s: Stage) -> None:
    s.link.publish(e := signed())
    relay = await s.relays.accept(URL)
    await asyncio.sleep(5)
    relay.says(["OK", e.id, True, ""])
    await asyncio.sleep(24)
    assert not relay.closed
    await asyncio.sleep(3)
    assert relay.closed
    assert s.relays.dialled == [URL]
    s.link.publish(e)
    assert s.answers[-1].verdict is Verdict.TRANSIENT


@dialogue(temporary=True)
async def test_a_temporary_link_is_dialled_once(s: Stage) -> None:
    s.relays.refusing.add(URL)
    s.link.publish(e := signed())
    await asyncio.sleep(100)
    assert s.relays.dialled == [URL]
    assert s.answers == [Answered(URL, e.id, Verdict.TRANSIENT, "refused")]


def test_cancelling_closes_the_connection_and_answers_what_waits() -> None:
    async def main() -> tuple[Stage, ScriptedTransport]:
        s = Stage(PoolLimits())
        async with running(s):
            relay = await s.relays.accept(URL)
            s.link.publish(signed())
            await relay.next_sent()
        return s, relay

    for seed in SEEDS:
        s, relay = run(main(), seed=seed)
        assert relay.closed
        assert [a.text for a in s.answers] == ["closing"]


def test_an_error_of_the_caller_ends_the_link() -> None:
    async def main() -> None:
        s = Stage(PoolLimits())

        async def broken(_news: News) -> None:
            raise ZeroDivisionError

        s.link._deliver = broken
        with pytest.raises(ExceptionGroup) as e:
            await s.link.run()
        assert e.group_contains(ZeroDivisionError)

    run(main())
