"""The driver of one relay's session: dial, feed, write, wake, dial again. What to say is decided in `protocol.py`.

A `Link` needs four things from outside: how to dial, the time, chance, and whom to tell. With a scripted `Transport`
it runs without sockets; with a loop whose time is virtual it runs without waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl as tls
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect

from relayclient.backoff import Backoff
from relayclient.clock import Clock, moment
from relayclient.errors import ConnectFailed, ConnectionLost, LinkError
from relayclient.event import Event
from relayclient.limits import PoolLimits
from relayclient.messages import MAX_FRAME_BYTES
from relayclient.news import Answered, Disconnected, Dropped, EventSeen, News, Noticed
from relayclient.protocol import Session
from relayclient.verdicts import Verdict, clean


class Transport(Protocol):
    """An open connection that carries text messages."""

    async def send(self, text: str) -> None:
        """Hand one message to the connection; raises ConnectionLost. Waits while the peer does not read."""
        ...

    async def recv(self) -> str | bytes:
        """The next message; raises ConnectionLost when there will be none. May be cancelled without losing one."""
        ...

    async def close(self) -> None:
        """End the connection, in bounded time. Never raises; harmless when it has ended."""
        ...


Dial = Callable[[str], Awaitable[Transport]]
"""Opens a connection to a normalised URL; raises ConnectFailed, OSError or TimeoutError."""


# Over real sockets


class _Connect(connect):
    """The library's connector without redirects: a relay may not send us to another address."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


class _Websocket:
    """A `Transport` over the websockets library. What the library raises for the peer's doing is a lost connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        sock = connection.transport.get_extra_info("socket")
        self._socket: socket.socket | None = sock if hasattr(socket, "TCP_QUICKACK") else None
        # asyncio sets this only on sockets it made itself.
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def send(self, text: str) -> None:
        try:
            await self._connection.send(text)
        except Exception as e:
            raise ConnectionLost(_sentence(e)) from e

    async def recv(self) -> bytes:
        try:
            data = await self._connection.recv(decode=False)
        except Exception as e:
            raise ConnectionLost(_sentence(e)) from e
        if self._socket is not None:
            # A relay that leaves Nagle's algorithm on holds its next message back until we acknowledge this one.
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data

    async def close(self) -> None:
        with contextlib.suppress(Exception):
            await self._connection.close()


async def dial_websocket(
    url: str,
    *,
    sock: socket.socket | None = None,
    ssl: tls.SSLContext | None = None,
    max_size: int = MAX_FRAME_BYTES,
    open_timeout: float = 10.0,
) -> Transport:
    """Open a websocket: no proxies, no redirects, no compression, pings every 20 s. Raises ConnectFailed.

    `sock` is a connected socket to use instead of resolving the host of `url`; `ssl` replaces the default certificate
    check of a wss address. Messages over `max_size` bytes end the connection.
    """
    extra: dict[str, Any] = {}
    if sock is not None:
        extra["sock"] = sock
    if ssl is not None:
        extra["ssl"] = ssl
    try:
        return _Websocket(
            await _Connect(
                url,
                proxy=None,
                compression=None,
                user_agent_header=None,
                max_size=max_size,
                open_timeout=open_timeout,
                ping_interval=20,
                ping_timeout=20,
                close_timeout=1,
                **extra,
            )
        )
    except Exception as e:
        raise ConnectFailed(_sentence(e)) from e


def _sentence(error: BaseException) -> str:
    return clean(str(error) or type(error).__name__)


# The driver


class Link:
    """One relay, connected again and again. Create it, then `run` it in a task; everything else may be called anytime.

    `deliver` is awaited with one piece of news at a time, in order. `answered` is called at once, out of order with
    the news, because publications must not wait for whoever digests them.
    """

    def __init__(
        self,
        session: Session,
        *,
        dial: Dial,
        clock: Clock,
        backoff: Backoff,
        limits: PoolLimits,
        deliver: Callable[[News], Awaitable[None]],
        answered: Callable[[Answered], None],
    ) -> None:
        self.session = session
        self.url = session.url
        self.connected = False
        self.changed_at = clock.now()
        """Unix time of the last change of `connected`."""
        self.counters: Counter[str] = Counter()
        self.last_error = ""
        self.last_notice = ""
        self._dial = dial
        self._clock = clock
        self._backoff = backoff
        self._limits = limits
        self._deliver = deliver
        self._answered = answered
        self._reachable = True
        self._used_at = clock.monotonic()
        self._outgoing: deque[str] = deque()
        self._inbox: deque[News] = deque()
        self._to_write = asyncio.Event()
        self._to_deliver = asyncio.Event()
        self._room = asyncio.Event()
        self._alarm = asyncio.Event()
        self._wake_at: float | None = None

    def publish(self, event: Event) -> None:
        """Send the event; `answered` is called exactly once for it, at once if there is no hope of a connection."""
        self._used_at = self._clock.monotonic()
        if self._reachable:
            self.session.publish(event, moment(self._clock))
            self.collect()
        else:
            why = f"not connected: {self.last_error}"
            self._answered(Answered(self.url, event.id, Verdict.TRANSIENT, why))

    def collect(self) -> None:
        """To be called after each input to the session: takes what it has to say to where it belongs."""
        frames = self.session.frames_to_send()
        if frames:
            self._outgoing.extend(frames)
            self._to_write.set()
        for news in self.session.news():
            self._sort(news)
        deadline = self.session.deadline()
        if deadline is not None and (self._wake_at is None or deadline < self._wake_at):
            self._alarm.set()

    async def run(self, *, temporary: bool = False) -> None:
        """Keep the link alive until cancelled. A temporary one is dialled once and ends when it fails or idles."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._deliver_news()), group.create_task(self._watch_deadlines())]
                await self._connect_again_and_again(temporary=temporary)
                for task in tasks:
                    task.cancel()
        finally:
            self._leave("closing")

    # The life of the link

    async def _connect_again_and_again(self, *, temporary: bool) -> None:
        while True:
            why = await self._connect_once(temporary=temporary)
            self._leave(why)
            if temporary:
                return
            if self.session.proved:
                self._backoff.proved()
            wait = self._backoff.lost(self._clock.monotonic())
            self._sort(Disconnected(self.url, why, wait))
            await asyncio.sleep(wait)
            self._reachable = True

    async def _connect_once(self, *, temporary: bool) -> str:
        """Dial, converse to the end; the reason for the end."""
        try:
            async with asyncio.timeout(self._limits.dial_s):
                transport = await self._dial(self.url)
        except (LinkError, OSError, TimeoutError) as e:
            return _sentence(e)
        ends: list[str] = []
        try:
            now = moment(self._clock)
            self.connected, self.changed_at, self._used_at = True, now.unix, now.monotonic
            self._backoff.opened(now.monotonic)
            self.session.opened(now)
            self.collect()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(transport))
                group.create_task(self._write(transport))
                if temporary:
                    group.create_task(self._end_when_idle())
        except* LinkError as group_of_ends:
            ends = [_sentence(e) for e in group_of_ends.exceptions]
        finally:
            await transport.close()
        return ends[0]

    def _leave(self, why: str) -> None:
        if self.connected:
            self.changed_at = self._clock.now()
        self.connected = self._reachable = False
        self.last_error = why
        self._outgoing.clear()
        self.session.closed(why)
        self.collect()

    # Tasks of one connection

    async def _read(self, transport: Transport) -> None:
        frames = 0
        while True:
            frame = await transport.recv()
            self.session.frame(frame, moment(self._clock))
            self.collect()
            await self._wait_for_room()
            frames += 1
            if frames % 32 == 0:  # a flood must not keep the other tasks from running
                await asyncio.sleep(0)

    async def _write(self, transport: Transport) -> None:
        while True:
            while self._outgoing:
                try:
                    async with asyncio.timeout(self._limits.send_s):
                        await transport.send(self._outgoing.popleft())
                except TimeoutError:
                    raise ConnectionLost("the relay does not read") from None
            self._to_write.clear()
            await self._to_write.wait()

    async def _end_when_idle(self) -> None:
        while True:
            wait = self._used_at + self._limits.idle_s - self._clock.monotonic()
            if wait <= 0 and not self.session.publishing:
                raise ConnectionLost("idle")
            await asyncio.sleep(max(wait, 1.0))

    # Tasks of the link

    async def _deliver_news(self) -> None:
        while True:
            while not self._inbox:
                self._to_deliver.clear()
                await self._to_deliver.wait()
            news = self._inbox.popleft()
            self._room.set()
            await self._deliver(news)

    async def _wait_for_room(self) -> None:
        while len(self._inbox) >= self._limits.inbox:
            self._room.clear()
            await self._room.wait()

    async def _watch_deadlines(self) -> None:
        while True:
            self._alarm.clear()
            self._wake_at = self.session.deadline()
            if self._wake_at is None:
                await self._alarm.wait()
                continue
            wait = self._wake_at - self._clock.monotonic()
            if wait > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._alarm.wait()
                        continue
            self.session.tick(moment(self._clock))
            self.collect()

    def _sort(self, news: News) -> None:
        match news:
            case Answered():
                self._answered(news)
                return
            case Dropped():
                self.counters[news.reason.value] += 1
                return
            case Noticed():
                self.counters["notice"] += 1
                self.last_notice = news.text
                return
            case EventSeen():
                self.counters["event"] += 1
            case _ if len(self._inbox) >= 2 * self._limits.inbox:
                # Only the reader brings events, and it waits for room; what else there is will be told anew.
                return
        self._inbox.append(news)
        self._to_deliver.set()
