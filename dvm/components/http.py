"""One GET over HTTP/1.1, on a socket that the gate has made, against a server that may be hostile.

No redirect is followed; no cookie, proxy, environment variable or compression is used. Everything is bounded:
the head in size and time, each read in time, the body and the bytes on the wire in size. h11 does the
protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

import h11

from dvm.components.failure import FAILED, NOT_FOUND, SIZE_MISMATCH, TIMEOUT, TOO_LARGE, SourceFailed
from dvm.gate import Target

MAX_HEAD_BYTES = 16 * 1024
MAX_INFORMATIONAL = 4
HEAD_READ_BYTES = 4 * 1024
"""h11 bounds only a head that is incomplete, so a head must not come whole in one large read."""
READ_BYTES = 64 * 1024
WRITE_BYTES = 256 * 1024
PIECES_PER_TURN = 64

Write = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `fetch_s` bounds a whole call: all sources, and waiting for a place."""

    connect_s: float = 5.0
    """Name look-up and TCP; TLS gets the same again."""
    head_s: float = 10.0
    """From the request to the end of the response's head."""
    read_s: float = 10.0
    """The longest silence within a body."""
    source_s: float = 45.0
    """One source, from start to end."""
    fetch_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bytes a body may have: at most `cap`; exactly `size` where that is known."""

    cap: int
    size: int | None


async def get(
    connection: socket.socket,
    target: Target,
    *,
    tls: ssl.SSLContext | None,
    bounds: Bounds,
    timeouts: Timeouts,
    write: Write,
) -> int:
    """Hand the body of `target` to `write` in pieces, in order; returns its length, which is within `bounds`.

    Owns `connection` and always closes it. `tls` is the context where the target demands TLS, else None. What
    was written is worth nothing before this has returned. Raises `SourceFailed`.
    """
    try:
        async with _stream(connection, target, tls, timeouts) as (reader, writer):
            exchange = _Exchange(reader, bounds, timeouts)
            writer.write(exchange.request(target))
            await exchange.head()
            return await exchange.body(write)
    except h11.RemoteProtocolError:
        raise SourceFailed(FAILED, "broke off or did not speak HTTP properly") from None
    except TimeoutError:
        raise SourceFailed(TIMEOUT, "was too slow") from None
    except OSError:  # TLS errors are among these
        raise SourceFailed(FAILED, "could not be reached or broke off") from None


@contextlib.asynccontextmanager
async def _stream(
    connection: socket.socket, target: Target, tls: ssl.SSLContext | None, timeouts: Timeouts
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    try:
        async with asyncio.timeout(timeouts.connect_s):
            reader, writer = await asyncio.open_connection(
                sock=connection, limit=READ_BYTES, ssl=tls, server_hostname=target.host if tls else None
            )
    except BaseException:
        connection.close()
        raise
    try:
        yield reader, writer
    finally:
        writer.transport.abort()  # a polite end could be delayed by the peer


class _Exchange:
    """One request and its response. Raises `SourceFailed`, h11.RemoteProtocolError or OSError."""

    def __init__(self, reader: asyncio.StreamReader, bounds: Bounds, timeouts: Timeouts) -> None:
        self._reader = reader
        self._bounds = bounds
        self._timeouts = timeouts
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._read_bytes = HEAD_READ_BYTES
        self._wire_budget = 2 * bounds.cap + 4 * MAX_HEAD_BYTES
        """Framing may double a body, not more: tiny chunks would cost far more time than bytes."""

    def request(self, target: Target) -> bytes:
        """The bytes of the request."""
        head = h11.Request(
            method="GET",
            target=target.path,
            headers=[
                ("Host", target.authority),
                ("User-Agent", "dvm"),
                ("Accept", "*/*"),
                ("Accept-Encoding", "identity"),
                ("Connection", "close"),
            ],
        )
        return (self._http.send(head) or b"") + (self._http.send(h11.EndOfMessage()) or b"")

    async def head(self) -> None:
        """Read the head of the response; return if a body worth reading follows."""
        async with asyncio.timeout(self._timeouts.head_s):
            for _ in range(MAX_INFORMATIONAL + 1):
                event = await self._next_event()
                if isinstance(event, h11.Response):
                    self._read_bytes = READ_BYTES
                    return self._check(event)
                if not isinstance(event, h11.InformationalResponse):
                    break
        raise SourceFailed(FAILED, "gave no proper answer")

    async def body(self, write: Write) -> int:
        """Hand on the body; returns its length."""
        total = 0
        pieces = 0
        waiting = bytearray()
        while isinstance(event := await self._next_event(), h11.Data):
            total += len(event.data)
            self._check_length(total, so_far=True)
            waiting += event.data
            if len(waiting) >= WRITE_BYTES:
                await write(bytes(waiting))
                waiting.clear()
            pieces += 1
            if pieces % PIECES_PER_TURN == 0:
                await asyncio.sleep(0)  # many tiny chunks in one read must not hold up the loop
        if not isinstance(event, h11.EndOfMessage):
            raise SourceFailed(FAILED, "broke off")
        self._check_length(total)
        await write(bytes(waiting))
        return total

    async def _next_event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            async with asyncio.timeout(self._timeouts.read_s):
                data = await self._reader.read(self._read_bytes)
            self._wire_budget -= len(data)
            if self._wire_budget < 0:
                raise SourceFailed(FAILED, "sent more framing than content")
            self._http.receive_data(data)
        return event

    def _check(self, response: h11.Response) -> None:
        status = response.status_code
        if status in (404, 410):
            raise SourceFailed(NOT_FOUND, "does not have it")
        if 300 <= status < 400:
            raise SourceFailed(FAILED, f"answered {status}, and redirects are not followed")
        if status != 200:
            raise SourceFailed(FAILED, f"answered {status}")
        for name, value in response.headers:
            if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
                raise SourceFailed(FAILED, "sent it compressed, which was not asked for")
            if name == b"content-length":  # h11 has checked that it is a number, and only one
                self._check_length(int(value))

    def _check_length(self, length: int, *, so_far: bool = False) -> None:
        size = self._bounds.size
        if length > self._bounds.cap:
            raise SourceFailed(TOO_LARGE, f"has more than the {self._bounds.cap} bytes that this node takes")
        if size is not None and (length > size or (length < size and not so_far)):
            raise SourceFailed(SIZE_MISMATCH, f"has another size than the {size} bytes stated")
