"""One request over relays: publish it, hear the answers, decide when it is over. Prints nothing and knows no home."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from dvm.client.reading import Failure, Heard, Progress, Result, read_answer
from dvm.supervise import Supervisor
from jobs.reply import FEEDBACK_KIND, result_kind
from jobs.request import JobRequest
from relayclient.clock import Clock
from relayclient.connection import Dial
from relayclient.event import Event
from relayclient.filters import Filter
from relayclient.news import CaughtUp, Disconnected, EventSeen, News, SubscriptionLost
from relayclient.pool import Pool
from relayclient.verdicts import Verdict

HEARD_MAX = 256
"""Answers to one request that are looked at; what comes beyond them is noise."""
GRACE_S = 3.0
"""How long a job that is open to all waits for another node after one node's error."""
TRIES = 4
RETRY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What it takes to reach relays."""

    dial: Dial
    clock: Clock
    rng: Random
    relays: tuple[str, ...]
    """Normalised URLs."""


@dataclass(frozen=True, slots=True)
class Published:
    """What one relay said to the request, for good or after the last try."""

    relay: str
    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Relays have the request, and the time is over."""


@dataclass(frozen=True, slots=True)
class Unsent:
    """No relay took the request; `said` is per relay."""

    said: tuple[Published, ...]


Answer = Result | Failure | NoAnswer | Unsent
Happening = Heard | Published


async def submit(
    request: JobRequest, to: str | None, network: Network, *, wait_s: float, tell: Callable[[Happening], None]
) -> Answer:
    """Publish the signed request on all relays and wait at most `wait_s` seconds for how it ends.

    `tell` hears everything as it comes, the end included. Cancelling is harmless: the request stays published.
    """
    exchange = _Exchange(request, to, tell)
    pool = _pool(network, exchange.hear)
    kinds = (result_kind(request.event.kind), FEEDBACK_KIND)
    pool.subscribe("answers", (Filter(kinds=kinds, tags={"e": (request.id,)}),))
    async with Supervisor() as tasks:
        tasks.start(pool.run(), name="relays")
        await asyncio.sleep(0)  # so that the pool runs
        tasks.start(exchange.publish(pool, network), name="publish")
        answer = await exchange.answer(wait_s)
        tasks.cancel()
    return answer


async def find_event(event_id: str, network: Network, *, wait_s: float) -> Event | None:
    """The event from whichever relay has it; None when all said no, or the time is over."""
    found: asyncio.Future[Event | None] = asyncio.get_running_loop().create_future()
    asked = set(network.relays)

    async def hear(news: News) -> None:
        if isinstance(news, EventSeen) and not found.done():
            found.set_result(news.event)
        elif isinstance(news, CaughtUp | Disconnected | SubscriptionLost):
            asked.discard(news.relay)
            if not asked and not found.done():
                found.set_result(None)

    pool = _pool(network, hear)
    pool.subscribe("one", (Filter(ids=(event_id,), limit=1),))
    async with Supervisor() as tasks:
        tasks.start(pool.run(), name="relays")
        try:
            async with asyncio.timeout(wait_s):
                return await found
        except TimeoutError:
            return None
        finally:
            tasks.cancel()


def _pool(network: Network, hear: Callable[[News], Awaitable[None]]) -> Pool:
    pool = Pool(dial=network.dial, clock=network.clock, rng=network.rng, news=hear)
    for relay in network.relays:
        pool.add(relay)
    return pool


@dataclass(slots=True)
class _Exchange:
    """One request under way."""

    request: JobRequest
    to: str | None
    tell: Callable[[Happening], None]
    end: asyncio.Future[Answer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    heard: int = 0
    failed: dict[str, Failure] = field(default_factory=dict)
    """The first error of each node."""
    working: set[str] = field(default_factory=set)
    """Nodes that said they work on it."""
    said: dict[str, Published] = field(default_factory=dict)
    """What each relay said last to the request."""

    async def answer(self, wait_s: float) -> Answer:
        try:
            async with asyncio.timeout(wait_s):
                return await self.end
        except TimeoutError:
            return next(iter(self.failed.values()), None) or (NoAnswer() if self._sent() else self._unsent())

    async def publish(self, pool: Pool, network: Network) -> None:
        await asyncio.gather(*(self._publish(pool, relay, network.rng) for relay in network.relays))
        if not self._sent():
            self._finish(self._unsent())

    def _sent(self) -> bool:
        """Whether a relay has the request, as far as is known; an answer came from one that has it."""
        return self.heard > 0 or any(each.verdict is Verdict.ACCEPTED for each in self.said.values())

    def _unsent(self) -> Unsent:
        return Unsent(tuple(self.said.values()))

    async def _publish(self, pool: Pool, relay: str, rng: Random) -> None:
        self.said[relay] = Published(relay, Verdict.TRANSIENT, "")
        for tried in range(TRIES):
            self.said[relay] = said = Published(relay, *await pool.publish(self.request.event, relay))
            if said.verdict is not Verdict.TRANSIENT:
                break
            if tried < TRIES - 1:
                await asyncio.sleep(RETRY_S * 2**tried * rng.uniform(0.5, 1.0))
        self.tell(self.said[relay])

    async def hear(self, news: News) -> None:
        if not isinstance(news, EventSeen) or self.heard >= HEARD_MAX or self.end.done():
            return
        self.heard += 1
        heard = read_answer(news.event, self.request, self.to)
        self.tell(heard)
        match heard:
            case Result():
                self._finish(heard)
            case Progress():
                self.working.add(heard.event.pubkey)
            case Failure():
                self._failed(heard)

    def _failed(self, failure: Failure) -> None:
        """The end when one node was asked. When all were, another one may still do it."""
        self.failed.setdefault(failure.event.pubkey, failure)
        self.working.discard(failure.event.pubkey)
        if self.to is not None:
            self._finish(failure)
        else:
            asyncio.get_running_loop().call_later(GRACE_S, self._give_up)

    def _give_up(self) -> None:
        if self.failed and not self.working:
            self._finish(next(iter(self.failed.values())))

    def _finish(self, answer: Answer) -> None:
        if not self.end.done():
            self.end.set_result(answer)
