"""All relays at once: permanent links kept alive, temporary ones for replies, every event told once.

The caller's half of the contract: `news` is awaited for one piece at a time per relay, and while it runs, that relay
waits; so it must come back soon, and it must not await `publish` to the relay it is being told about. An exception
from `news` is a bug and ends `run`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from relayclient.backoff import Backoff
from relayclient.clock import Clock, moment
from relayclient.connection import Dial, Link
from relayclient.errors import InvalidUrl
from relayclient.event import Event
from relayclient.filters import Filter
from relayclient.limits import PoolLimits
from relayclient.news import Answered, EventSeen, News
from relayclient.protocol import Session
from relayclient.recent import Recent
from relayclient.urls import normalise
from relayclient.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class LinkState:
    """One link for status displays."""

    url: str
    permanent: bool
    connected: bool
    since: int
    """Unix time of the last change of `connected`."""
    counters: Mapping[str, int]
    """Events and notices taken, and drops by reason."""
    last_error: str
    last_notice: str


@dataclass(frozen=True, slots=True)
class _Wish:
    filters: tuple[Filter, ...]
    since: Mapping[str, int]


class Pool:
    """Links to relays. Create it, `run` it in a task once; everything else may be called before or while it runs.

    Of the news, `EventSeen`, `CaughtUp`, `SubscriptionLost`, `Connected` and `Disconnected` of permanent relays are
    told; answers come out of `publish`, drops and notices are counted in `states`.
    """

    def __init__(
        self,
        *,
        dial: Dial,
        clock: Clock,
        rng: Random,
        news: Callable[[News], Awaitable[None]],
        limits: PoolLimits | None = None,
    ) -> None:
        """`dial` opens every connection, those to addresses that strangers named too: the place for a gate."""
        self._dial = dial
        self._clock = clock
        self._rng = rng
        self._news = news
        self._limits = limits or PoolLimits()
        self._group: asyncio.TaskGroup | None = None
        self._started = asyncio.Event()
        self._permanent: dict[str, Link] = {}
        self._temporary: dict[str, Link] = {}
        self._wishes: dict[str, _Wish] = {}
        self._waiting: dict[tuple[str, str], list[asyncio.Future[Answered]]] = {}
        self._verified: Recent[str, str] = Recent(self._limits.verified)
        self._told: Recent[tuple[str, str], None] = Recent(self._limits.verified)
        self._telling: dict[tuple[str, str], asyncio.Event] = {}

    async def run(self) -> None:
        """Keep the links to the permanent relays alive until cancelled; then close all of them."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._started.set()
                for link in self._permanent.values():
                    group.create_task(link.run(), name=f"relay {link.url}")
                await asyncio.Event().wait()
        finally:
            self._group = None

    def add(self, url: str) -> str:
        """Make this a permanent relay, with all subscriptions; its normalised URL. Raises InvalidUrl."""
        url = normalise(url)
        if url not in self._permanent:
            link = self._permanent[url] = self._link(url, self._tell)
            for name, wish in self._wishes.items():
                self._wish(link, name, wish)
            if self._group is not None:
                self._group.create_task(link.run(), name=f"relay {url}")
        return url

    def subscribe(self, name: str, filters: Sequence[Filter], since: Mapping[str, int] | None = None) -> None:
        """Want these events from all permanent relays, from now on and across reconnections.

        `since` says for each relay up to which unix time all is known (the last `CaughtUp.upto` for this name); that
        relay's stored events are asked for from there less the overlap, all others as the filters say. A subscription
        of the same name is replaced; what was told under that name is not told again.
        """
        wish = _Wish(tuple(filters), {normalise(url): at for url, at in (since or {}).items()})
        self._wishes[name] = wish
        for link in self._permanent.values():
            self._wish(link, name, wish)

    def unsubscribe(self, name: str) -> None:
        """Want these events no longer. Harmless for an unknown name."""
        self._wishes.pop(name, None)
        for link in self._permanent.values():
            link.session.unsubscribe(name)
            link.collect()

    async def publish(self, event: Event, url: str) -> tuple[Verdict, str]:
        """Send the event to one relay, over a temporary link if it is no permanent one, and wait for its answer.

        Never raises for what a relay or an address does: no connection, no answer in time or too many links are
        TRANSIENT, an unusable address is REFUSED. Send the identical event again after TRANSIENT.
        """
        try:
            url = normalise(url)
        except InvalidUrl as e:
            return Verdict.REFUSED, str(e)
        if not await self._runs():
            return Verdict.TRANSIENT, "closing: the pool does not run"
        link = self._permanent.get(url) or self._temporary.get(url) or self._open_temporary(url)
        if isinstance(link, str):
            return Verdict.TRANSIENT, link
        key = (url, event.id)
        future: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        try:
            link.publish(event)
            answer = await future
            return answer.verdict, answer.text
        finally:
            others = self._waiting.get(key, [])
            if future in others:
                others.remove(future)
                if not others:
                    del self._waiting[key]

    def states(self) -> tuple[LinkState, ...]:
        """All links as they are now, permanent ones first."""
        links = [*self._permanent.values(), *self._temporary.values()]
        return tuple(
            LinkState(
                link.url,
                link.url in self._permanent,
                link.connected,
                link.changed_at,
                dict(link.counters),
                link.last_error,
                link.last_notice,
            )
            for link in links
        )

    async def _runs(self) -> bool:
        """Whether `run` runs; waits a while if it was not called yet."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.session.answer_s):
                await self._started.wait()
        return self._group is not None

    # Links

    def _link(self, url: str, deliver: Callable[[News], Awaitable[None]]) -> Link:
        limits = self._limits
        return Link(
            Session(url, rng=self._rng, limits=limits.session, verified=self._verified),
            dial=self._dial,
            clock=self._clock,
            backoff=Backoff(limits.reconnect, self._rng),
            limits=limits,
            deliver=deliver,
            answered=self._answered,
        )

    def _wish(self, link: Link, name: str, wish: _Wish) -> None:
        link.session.subscribe(name, wish.filters, moment(self._clock), wish.since.get(link.url))
        link.collect()

    def _open_temporary(self, url: str) -> Link | str:
        """A new temporary link, or why there is none."""
        if len(self._temporary) >= self._limits.temporary:
            return "busy: too many links to other relays"
        assert self._group is not None
        link = self._temporary[url] = self._link(url, _say_nothing)
        self._group.create_task(self._run_temporary(link), name=f"reply to {url}")
        return link

    async def _run_temporary(self, link: Link) -> None:
        try:
            await link.run(temporary=True)
        finally:
            del self._temporary[link.url]

    # News

    async def _tell(self, news: News) -> None:
        if isinstance(news, EventSeen):
            await self._tell_once(news)
        else:
            await self._news(news)

    async def _tell_once(self, seen: EventSeen) -> None:
        # A copy that comes while the first one is being told waits for it: otherwise this relay's CaughtUp could
        # overtake an event that only the other relay's link still holds.
        key = (seen.sub, seen.event.id)
        while (other := self._telling.get(key)) is not None:
            await other.wait()
        if key in self._told:
            return
        done = self._telling[key] = asyncio.Event()
        try:
            await self._news(seen)
            self._told[key] = None
        finally:
            del self._telling[key]
            done.set()

    def _answered(self, answer: Answered) -> None:
        for future in self._waiting.pop((answer.relay, answer.event_id), []):
            if not future.done():
                future.set_result(answer)


async def _say_nothing(_news: News) -> None:
    """Nobody subscribed to anything over a temporary link; what matters of it is the answer to a publication."""
