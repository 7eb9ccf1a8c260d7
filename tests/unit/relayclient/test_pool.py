"""The pool with relays played by the test, in virtual time and under several orders of tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from relayclient.errors import InvalidUrl
from relayclient.filters import Filter
from relayclient.limits import PoolLimits
from relayclient.news import CaughtUp, EventSeen, News
from relayclient.pool import Pool
from relayclient.verdicts import Verdict
from tests.support.events import T0, signed
from tests.support.scripted_transport import ScriptedRelays, ScriptedTransport
from tests.support.virtual_time import VirtualClock, run

ONE, TWO, FAR = "wss://one.example", "wss://two.example", "wss://far.example"
JOBS = [Filter(kinds=(5850,))]


class Stage:
    def __init__(self, limits: PoolLimits) -> None:
        self.clock = VirtualClock(unix=T0)
        self.relays = ScriptedRelays()
        self.told: list[News] = []
        self.slow: Callable[[News], Awaitable[None]] | None = None
        self.pool = Pool(dial=self.relays.dial, clock=self.clock, rng=Random(1), news=self._news, limits=limits)

    async def _news(self, news: News) -> None:
        if self.slow is not None:
            await self.slow(news)
        self.told.append(news)

    async def joined(self, url: str) -> tuple[ScriptedTransport, str]:
        """The relay once it was asked for jobs, and the id under which it was."""
        relay = await self.relays.accept(url)
        message = await relay.next_sent()
        assert message[0] == "REQ"
        return relay, message[1]

    def contents(self) -> list[tuple[str, str]]:
        return [(n.relay, n.event.content) for n in self.told if isinstance(n, EventSeen)]


def dialogue(**limits: int) -> Callable[[Callable[[Stage], Awaitable[None]]], object]:
    def wrap(test: Callable[[Stage], Awaitable[None]]) -> object:
        async def main() -> None:
            stage = Stage(PoolLimits(**limits))  # type: ignore[arg-type]
            task = asyncio.create_task(stage.pool.run())
            try:
                await test(stage)
            finally:
                task.cancel()
                await asyncio.wait([task])
            assert task.cancelled()

        @pytest.mark.parametrize("seed", [None, 1, 2, 3])
        def run_test(seed: int | None) -> None:
            run(main(), seed=seed)

        return run_test

    return wrap


@dialogue()
async def test_an_event_on_two_relays_is_told_once(s: Stage) -> None:
    s.pool.add(ONE)
    s.pool.add(TWO + "/")
    s.pool.add("WSS://Two.example:443")
    s.pool.subscribe("jobs", JOBS)
    one, one_id = await s.joined(ONE)
    two, two_id = await s.joined(TWO)
    event, other = signed("same"), signed("other")
    for relay, wire_id in ((one, one_id), (two, two_id), (one, one_id)):
        relay.says(["EVENT", wire_id, event.to_wire()])
    await asyncio.sleep(1)
    two.says(["EVENT", two_id, event.to_wire()])
    two.says(["EVENT", two_id, other.to_wire()])
    await asyncio.sleep(1)
    assert sorted(content for _, content in s.contents()) == ["other", "same"]
    assert len(s.relays.dialled) == 2


@dialogue()
async def test_a_forged_copy_that_comes_first_hides_nothing(s: Stage) -> None:
    s.pool.add(ONE)
    s.pool.add(TWO)
    s.pool.subscribe("jobs", JOBS)
    one, one_id = await s.joined(ONE)
    two, two_id = await s.joined(TWO)
    event = signed("real")
    one.says(["EVENT", one_id, {**event.to_wire(), "sig": signed("x").sig}])
    one.says(["EVENT", one_id, {**event.to_wire(), "content": "forged"}])
    await asyncio.sleep(1)
    assert s.contents() == []
    two.says(["EVENT", two_id, event.to_wire()])
    await asyncio.sleep(1)
    assert s.contents() == [(TWO, "real")]
    assert {state.url: state.counters for state in s.pool.states()} == {
        ONE: {"signature-mismatch": 1, "id-mismatch": 1},
        TWO: {"event": 1},
    }


@dialogue()
async def test_caught_up_never_overtakes_an_event_that_another_link_is_still_telling(s: Stage) -> None:
    s.pool.add(ONE)
    s.pool.add(TWO)
    s.pool.subscribe("jobs", JOBS)
    one, one_id = await s.joined(ONE)
    two, two_id = await s.joined(TWO)
    come_back = asyncio.Event()

    async def slow(news: News) -> None:
        if isinstance(news, EventSeen):
            await come_back.wait()

    s.slow = slow
    event = signed("slow")
    one.says(["EVENT", one_id, event.to_wire()])
    await asyncio.sleep(1)
    two.says(["EVENT", two_id, event.to_wire()])
    two.says(["EOSE", two_id])
    await asyncio.sleep(5)
    assert not any(isinstance(n, CaughtUp) for n in s.told)
    come_back.set()
    await asyncio.sleep(1)
    assert s.contents() == [(ONE, "slow")]
    assert isinstance(s.told[-1], CaughtUp)


@dialogue()
async def test_each_relay_is_asked_from_its_own_cursor(s: Stage) -> None:
    s.pool.add(ONE)
    s.pool.subscribe("jobs", JOBS, {ONE + "/": T0 - 1000, TWO: T0 - 2000})
    s.pool.add(TWO)
    s.pool.add(FAR)
    since = {}
    for url in (ONE, TWO, FAR):
        relay = await s.relays.accept(url)
        since[url] = (await relay.next_sent())[2].get("since")
    assert since == {ONE: T0 - 1600, TWO: T0 - 2600, FAR: None}


@dialogue()
async def test_subscriptions_come_and_go_on_live_links(s: Stage) -> None:
    s.pool.add(ONE)
    relay = await s.relays.accept(ONE)
    s.pool.subscribe("jobs", JOBS)
    _, first, _ = await relay.next_sent()
    s.pool.subscribe("more", [Filter(kinds=(1,))])
    _, second, _ = await relay.next_sent()
    s.pool.unsubscribe("jobs")
    assert await relay.next_sent() == ["CLOSE", first]
    relay.says(["EVENT", first, signed("late").to_wire()])
    relay.says(["EVENT", second, signed("note", kind=1).to_wire()])
    await asyncio.sleep(1)
    assert s.contents() == [(ONE, "note")]
    relay.hangs_up()
    relay = await s.relays.accept(ONE)
    assert (await relay.next_sent())[2] == {"kinds": [1]}
    await asyncio.sleep(1)
    assert relay.sent_nothing()


@dialogue()
async def test_two_subscriptions_that_match_one_event_are_both_told(s: Stage) -> None:
    s.pool.add(ONE)
    s.pool.subscribe("a", JOBS)
    s.pool.subscribe("b", JOBS)
    relay = await s.relays.accept(ONE)
    for _ in range(2):
        _, wire_id, _ = await relay.next_sent()
        relay.says(["EVENT", wire_id, signed("x").to_wire()])
    await asyncio.sleep(1)
    assert sorted(n.sub for n in s.told if isinstance(n, EventSeen)) == ["a", "b"]


@dialogue()
async def test_publishing_to_a_permanent_relay_uses_its_link(s: Stage) -> None:
    s.pool.add(ONE)
    relay = await s.relays.accept(ONE)
    e = signed()
    async with asyncio.TaskGroup() as group:
        one = group.create_task(s.pool.publish(e, ONE + "/"))
        two = group.create_task(s.pool.publish(e, ONE))
        assert await relay.next_sent() == ["EVENT", e.to_wire()]
        await asyncio.sleep(1)
        assert relay.sent_nothing()
        relay.says(["OK", e.id, False, "duplicate: exists"])
    assert one.result() == two.result() == (Verdict.ACCEPTED, "duplicate: exists")
    assert s.relays.dialled == [ONE]


@dialogue()
async def test_publishing_elsewhere_opens_a_link_for_a_while(s: Stage) -> None:
    e, f = signed("e"), signed("f")
    async with asyncio.TaskGroup() as group:
        one = group.create_task(s.pool.publish(e, FAR))
        two = group.create_task(s.pool.publish(f, FAR))
        relay = await s.relays.accept(FAR)
        for _ in range(2):
            _, event = await relay.next_sent()
            relay.says(["OK", event["id"], event["content"] == "e", "blocked: no"])
    assert (one.result()[0], two.result()[0]) == (Verdict.ACCEPTED, Verdict.REFUSED)
    assert [(state.url, state.permanent, state.connected) for state in s.pool.states()] == [(FAR, False, True)]
    assert s.told == []
    await asyncio.sleep(60)
    assert s.pool.states() == ()
    assert relay.closed
    assert s.relays.dialled == [FAR]


@dialogue(temporary=2)
async def test_temporary_links_are_bounded(s: Stage) -> None:
    async with asyncio.TaskGroup() as group:
        for i in range(2):
            group.create_task(s.pool.publish(signed(), f"wss://r{i}.example"))
        await asyncio.sleep(1)
        assert (await s.pool.publish(signed(), FAR))[0] is Verdict.TRANSIENT
        assert len(s.relays.dialled) == 2
    await asyncio.sleep(60)
    s.relays.refusing.add(FAR)
    assert await s.pool.publish(signed(), FAR) == (Verdict.TRANSIENT, "refused")
    await asyncio.sleep(1)
    assert s.pool.states() == ()


@dialogue()
async def test_unusable_addresses_and_silence_are_answers_too(s: Stage) -> None:
    assert (await s.pool.publish(signed(), "http://x.example"))[0] is Verdict.REFUSED
    with pytest.raises(InvalidUrl):
        s.pool.add("http://x.example")
    s.relays.hanging.add(FAR)
    start = s.clock.monotonic()
    assert (await s.pool.publish(signed(), FAR))[0] is Verdict.TRANSIENT
    assert s.clock.monotonic() - start <= 15


@dialogue()
async def test_a_caller_that_stops_waiting_disturbs_nobody(s: Stage) -> None:
    s.pool.add(ONE)
    relay = await s.relays.accept(ONE)
    e = signed()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await s.pool.publish(e, ONE)
    async with asyncio.TaskGroup() as group:
        again = group.create_task(s.pool.publish(e, ONE))
        await asyncio.sleep(1)
        relay.says(["OK", e.id, True, ""])
    assert again.result()[0] is Verdict.ACCEPTED
    assert s.pool._waiting == {}


def test_a_pool_that_does_not_run_publishes_nothing() -> None:
    async def main() -> None:
        s = Stage(PoolLimits())
        s.pool.add(ONE)
        assert (await s.pool.publish(signed(), ONE))[0] is Verdict.TRANSIENT
        assert (await s.pool.publish(signed(), FAR))[0] is Verdict.TRANSIENT
        task = asyncio.create_task(s.pool.run())
        relay = await s.relays.accept(ONE)
        waiting = asyncio.create_task(s.pool.publish(signed(), ONE))
        await relay.next_sent()
        task.cancel()
        await asyncio.wait([task])
        assert (await waiting) == (Verdict.TRANSIENT, "closing")
        assert relay.closed
        assert (await s.pool.publish(signed(), ONE))[0] is Verdict.TRANSIENT

    for seed in (None, 1, 2):
        run(main(), seed=seed)


def test_an_error_of_the_caller_ends_the_pool_with_that_error() -> None:
    async def main() -> None:
        s = Stage(PoolLimits())

        async def broken(_news: News) -> None:
            raise ZeroDivisionError

        s.slow = broken
        s.pool.add(ONE)
        with pytest.raises(ExceptionGroup) as e:
            await s.pool.run()
        assert e.group_contains(ZeroDivisionError)

    run(main())


def test_one_event_told_by_many_relays_under_many_orders() -> None:
    """Whatever the order of tasks and copies: once each, and confirmed only after all of a relay's own were told."""

    async def main(seed: int) -> None:
        s = Stage(PoolLimits(inbox=3))
        chance = Random(seed)
        events = [signed(str(i)) for i in range(12)]

        async def slow(_news: News) -> None:
            await asyncio.sleep(chance.choice([0, 0, 0.01, 0.5]))

        s.slow = slow
        task = asyncio.create_task(s.pool.run())
        s.pool.subscribe("jobs", JOBS)
        said: dict[str, set[str]] = {}
        for url in (ONE, TWO, FAR):
            s.pool.add(url)
            relay, wire_id = await s.joined(url)
            copies = chance.choices(events, k=20)
            said[url] = {e.content for e in copies}
            for e in copies:
                relay.says(["EVENT", wire_id, e.to_wire()])
            relay.says(["EOSE", wire_id, ["finish"]])
        await asyncio.sleep(60)
        told: list[str] = []
        confirmed = set()
        for news in s.told:
            if isinstance(news, EventSeen):
                told.append(news.event.content)
            elif isinstance(news, CaughtUp):
                confirmed.add(news.relay)
                assert said[news.relay] <= set(told)
        assert len(told) == len(set(told))
        assert confirmed == {ONE, TWO, FAR}
        task.cancel()
        await asyncio.wait([task])

    for seed in range(40):
        run(main(seed), seed=seed)
