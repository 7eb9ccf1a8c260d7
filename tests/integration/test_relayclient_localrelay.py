"""The pool against nostr-sdk's LocalRelay: another code base, in this process, over real sockets on loopback."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest

nostr_sdk = pytest.importorskip("nostr_sdk")

from relayclient.backoff import BackoffLimits  # noqa: E402
from relayclient.clock import SystemClock  # noqa: E402
from relayclient.connection import dial_websocket  # noqa: E402
from relayclient.event import Draft, Event  # noqa: E402
from relayclient.filters import Filter  # noqa: E402
from relayclient.keys import LocalSigner, SecretKey  # noqa: E402
from relayclient.limits import PoolLimits  # noqa: E402
from relayclient.news import CaughtUp, Connected, Disconnected, EventSeen, News  # noqa: E402
from relayclient.pool import Pool  # noqa: E402
from relayclient.verdicts import Verdict  # noqa: E402

SIGNER = LocalSigner(SecretKey.generate(os.urandom), os.urandom)
LIMITS = PoolLimits(reconnect=BackoffLimits(first_s=0.1, longest_s=0.2))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def start_relay(port: int, database: object = None) -> Any:
    builder = (
        nostr_sdk.LocalRelayBuilder()
        .addr("127.0.0.1")
        .port(port)
        .rate_limit(nostr_sdk.RateLimit(max_reqs=100_000, notes_per_minute=10_000_000))
    )
    if database is not None:
        builder = builder.database(database)
    relay = builder.build()
    await relay.run()
    return relay


def event(content: str, kind: int = 5850) -> Event:
    return SIGNER.sign(Draft(kind, content, (), SystemClock().now()))


class Told:
    """Collects news and lets a test wait for a piece of it."""

    def __init__(self) -> None:
        self.all: list[News] = []
        self._changed = asyncio.Condition()

    async def __call__(self, news: News) -> None:
        async with self._changed:
            self.all.append(news)
            self._changed.notify_all()

    async def until(self, wanted: Callable[[News], bool], start: int = 0) -> int:
        """The index after the first wanted piece at or after `start`."""
        async with self._changed, asyncio.timeout(20):
            while True:
                for i in range(start, len(self.all)):
                    if wanted(self.all[i]):
                        return i + 1
                await self._changed.wait()

    def contents(self) -> list[str]:
        return [news.event.content for news in self.all if isinstance(news, EventSeen)]


def of(kind: type[News]) -> Callable[[News], bool]:
    return lambda news: isinstance(news, kind)


def saying(content: str) -> Callable[[News], bool]:
    return lambda news: isinstance(news, EventSeen) and news.event.content == content


def with_pool(test: Callable[[Pool, Told], Awaitable[None]]) -> None:
    async def main() -> None:
        told = Told()
        pool = Pool(dial=dial_websocket, clock=SystemClock(), rng=Random(1), news=told, limits=LIMITS)
        task = asyncio.create_task(pool.run())
        try:
            await test(pool, told)
        finally:
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(main())


def test_publish_is_answered_delivered_once_and_a_duplicate_is_success() -> None:
    async def dialogue(pool: Pool, told: Told) -> None:
        relay = await start_relay(port := free_port())
        url = pool.add(f"ws://127.0.0.1:{port}")
        pool.subscribe("jobs", [Filter(kinds=(5850,))])
        await told.until(of(CaughtUp))
        one = event("one")
        assert (await pool.publish(one, url))[0] is Verdict.ACCEPTED
        assert (await pool.publish(one, url))[0] is Verdict.ACCEPTED
        await told.until(saying("one"))
        await pool.publish(event("other kind", kind=1), url)
        await pool.publish(event("two"), url)
        await told.until(saying("two"))
        assert told.contents() == ["one", "two"]
        relay.shutdown()

    with_pool(dialogue)


def test_a_relay_that_restarts_loses_no_event() -> None:
    async def dialogue(pool: Pool, told: Told) -> None:
        database = nostr_sdk.MemoryDatabase() if hasattr(nostr_sdk, "MemoryDatabase") else None
        port = free_port()
        relay = await start_relay(port, database)
        url = pool.add(f"ws://127.0.0.1:{port}")
        pool.subscribe("jobs", [Filter(kinds=(5850,))])
        await told.until(of(CaughtUp))
        assert (await pool.publish(event("before"), url))[0] is Verdict.ACCEPTED
        seen = await told.until(saying("before"))
        relay.shutdown()
        seen = await told.until(of(Disconnected), seen)

        relay = await start_relay(port, database)
        # Somebody else's event reaches the relay before we are back.
        stranger = await dial_websocket(url)
        missed = event("while we were away")
        await stranger.send(f'["EVENT",{missed.to_json()}]')
        await stranger.recv()
        await stranger.close()

        seen = await told.until(of(Connected), seen)
        seen = await told.until(saying("while we were away"))
        assert (await pool.publish(event("after"), url))[0] is Verdict.ACCEPTED
        await told.until(saying("after"), seen)
        assert told.contents() == ["before", "while we were away", "after"]
        relay.shutdown()

    with_pool(dialogue)


def test_more_stored_events_than_a_relay_returns_at_once_are_all_fetched() -> None:
    async def dialogue(pool: Pool, told: Told) -> None:
        port = free_port()
        builder = (
            nostr_sdk.LocalRelayBuilder()
            .addr("127.0.0.1")
            .port(port)
            .default_filter_limit(10)
            .max_filter_limit(10)
            .rate_limit(nostr_sdk.RateLimit(max_reqs=100_000, notes_per_minute=10_000_000))
        )
        relay = builder.build()
        await relay.run()
        now = SystemClock().now()
        url = f"ws://127.0.0.1:{port}"
        for i in range(47):
            stored = SIGNER.sign(Draft(5850, str(i), (), now - 1000 + i))
            assert (await pool.publish(stored, url))[0] is Verdict.ACCEPTED
        pool.add(url)
        pool.subscribe("jobs", [Filter(kinds=(5850,)), Filter(kinds=(5,))])
        await told.until(of(CaughtUp))
        assert sorted(map(int, told.contents())) == list(range(47))
        relay.shutdown()

    with_pool(dialogue)


def test_a_reply_goes_over_a_temporary_link_and_a_dead_address_is_transient() -> None:
    async def dialogue(pool: Pool, told: Told) -> None:
        relay = await start_relay(port := free_port())
        assert (await pool.publish(event("hello"), f"ws://127.0.0.1:{port}"))[0] is Verdict.ACCEPTED
        assert [state.permanent for state in pool.states()] == [False]
        assert (await pool.publish(event("hello"), f"ws://127.0.0.1:{free_port()}"))[0] is Verdict.TRANSIENT
        assert (await pool.publish(event("hello"), "https://127.0.0.1"))[0] is Verdict.REFUSED
        too_large = event("x" * 60_000)
        verdict, text = await pool.publish(too_large, f"ws://127.0.0.1:{port}")
        assert verdict is Verdict.ACCEPTED, text
        relay.shutdown()

    with_pool(dialogue)
