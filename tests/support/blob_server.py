"""A blob server on loopback that can misbehave: raw asyncio, one connection per request, every fault by name.

`FAULTS` maps a name to a coroutine function that answers one request; `HONEST` are those after which the client has
the right bytes. A server answers a path with the fault that the test has put there, else with 404.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ssl
from collections.abc import Callable, Coroutine

Answer = Callable[[asyncio.StreamWriter, bytes], Coroutine[None, None, None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/wasm\r\n"


class FaultyBlobServer:
    """Async context manager. `put` says what a path answers; `seen` are the heads of all requests, in order."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._answers: dict[str, tuple[Answer, bytes]] = {}
        self._writers: set[asyncio.StreamWriter] = set()
        self._idle = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._news = asyncio.Event()
        self.seen: list[str] = []
        self.connections = 0
        self.most_at_once = 0
        self.port = 0
        self.gate = asyncio.Event()
        """The fault `gated` answers only when this is set."""

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        return [head.split(" ")[1] for head in self.seen]

    def put(self, path: str, body: bytes, answer: Answer | str = "plain") -> str:
        """Let `path` give `body` in some way; returns its URL."""
        if answer == "gated":
            self._answers[path] = (self._gated, body)
        else:
            self._answers[path] = (FAULTS[answer] if isinstance(answer, str) else answer, body)
        return self.base + path

    async def requested(self, count: int = 1) -> None:
        """Wait until so many requests have come in."""
        while len(self.seen) < count:
            self._news.clear()
            await self._news.wait()

    async def __aenter__(self) -> FaultyBlobServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        while self._writers:
            self._idle.clear()
            for writer in self._writers:
                writer.transport.abort()
            self.gate.set()
            await self._idle.wait()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        self.most_at_once = max(self.most_at_once, len(self._writers))
        # An aborted connection shows itself to a server that only waits as the end of what it can read.
        gone = asyncio.Event()
        try:
            with contextlib.suppress(OSError, EOFError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.seen.append(head)
                self._news.set()
                answer, body = self._answers.get(head.split(" ")[1], (_not_found, b""))
                async with asyncio.TaskGroup() as tasks:
                    watch = tasks.create_task(_watch(reader, gone))
                    answering = tasks.create_task(answer(writer, body))
                    await asyncio.wait({watch, answering}, return_when=asyncio.FIRST_COMPLETED)
                    watch.cancel()
                    answering.cancel()
        except* OSError:
            pass
        finally:
            writer.close()
            self._writers.discard(writer)
            self._idle.set()

    async def _gated(self, writer: asyncio.StreamWriter, body: bytes) -> None:
        await self.gate.wait()
        await _plain(writer, body)


async def _watch(reader: asyncio.StreamReader, gone: asyncio.Event) -> None:
    await reader.read()
    gone.set()


async def _send(writer: asyncio.StreamWriter, *pieces: bytes) -> None:
    for piece in pieces:
        writer.write(piece)
        await writer.drain()


def _length(number: object) -> bytes:
    return f"Content-Length: {number}\r\n\r\n".encode()


# Answers that give the bytes


async def _plain(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, OK + _length(len(body)), body)


async def _no_length(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, b"HTTP/1.0 200 OK\r\n\r\n", body)


async def _chunked(writer: asyncio.StreamWriter, body: bytes) -> None:
    middle = len(body) // 2
    chunks = [b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:middle], body[middle:]) if part]
    await _send(writer, OK + b"Transfer-Encoding: chunked\r\n\r\n", *chunks, b"0\r\n\r\n")


async def _trickled(writer: asyncio.StreamWriter, body: bytes) -> None:
    whole = OK + _length(len(body)) + body
    for start in range(0, len(whole), 997):
        await _send(writer, whole[start : start + 997])
        await asyncio.sleep(0)


async def _early_hints(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 3)
    await _plain(writer, body)


async def _identity(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, OK + b"Content-Encoding: identity\r\n" + _length(len(body)), body)


# Answers that do not


async def _corrupt(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _plain(writer, body[:-1] + bytes([body[-1] ^ 1]))


async def _short(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _plain(writer, body[:-1])


async def _padded(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _plain(writer, body + b"\0")


async def _cut(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, OK + _length(len(body)), body[: len(body) // 2])


async def _cut_chunked(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, OK + b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n" % len(body), body[:-1])


async def _cut_without_length(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _no_length(writer, body[:-1])


async def _length_too_small(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, OK + _length(len(body) - 1), body)


async def _length_too_large(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, OK + _length(len(body) + 1), body)


async def _length_enormous(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, OK + _length(1 << 60), body)


async def _length_negative(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, OK + _length(-1), body)


async def _lengths_differ(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, OK + b"Content-Length: 1\r\n" + _length(len(body)), body)


async def _endless(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, OK + b"\r\n")
    while True:
        await _send(writer, body + bytes(65536))


async def _endless_chunks(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        await _send(writer, b"10000\r\n" + bytes(65536) + b"\r\n")


async def _tiny_chunks(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        await _send(writer, b"1;x=yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n\0\r\n" * 1000)


async def _slow(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, OK + _length(len(body)))
    for start in range(len(body)):
        await _send(writer, body[start : start + 1])
        await asyncio.sleep(0.05)


async def _hang(writer: asyncio.StreamWriter, body: bytes) -> None:
    await asyncio.Event().wait()


async def _hang_in_body(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, OK + _length(len(body)), body[:-1])
    await asyncio.Event().wait()


async def _gzip(writer: asyncio.StreamWriter, body: bytes) -> None:
    packed = gzip.compress(body)
    await _send(writer, OK + b"Content-Encoding: gzip\r\n" + _length(len(packed)), packed)


async def _gzip_transfer(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", gzip.compress(body))


async def _not_found(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


async def _gone(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")


async def _error(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")


async def _partial(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, b"HTTP/1.1 206 Partial Content\r\n" + _length(len(body)), body)


async def _redirect(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")


async def _huge_head(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, OK + b"X-Padding: " + b"a" * 64_000 + b"\r\n" + _length(len(body)), body)


async def _endless_head(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, OK)
    while True:
        await _send(writer, b"X: y\r\n" * 100)


async def _head_drip(writer: asyncio.StreamWriter, body: bytes) -> None:
    for octet in OK * 1000:
        await _send(writer, bytes([octet]))
        await asyncio.sleep(0.05)


async def _endless_hints(writer: asyncio.StreamWriter, body: bytes) -> None:
    while True:
        await _send(writer, b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10)


async def _switch(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", body)


async def _silence(writer: asyncio.StreamWriter, body: bytes) -> None:
    """Close without a word."""


async def _garbage(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, bytes(range(256)) * 10)


async def _bare_bytes(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, body)


async def _reset(writer: asyncio.StreamWriter, body: bytes) -> None:
    await _send(writer, OK + _length(len(body)), body[:-1])
    writer.transport.abort()


HONEST: dict[str, Answer] = {
    "plain": _plain,
    "no-length": _no_length,
    "chunked": _chunked,
    "trickled": _trickled,
    "early-hints": _early_hints,
    "identity": _identity,
}

FAULTS: dict[str, Answer] = HONEST | {
    "corrupt": _corrupt,
    "short": _short,
    "padded": _padded,
    "cut": _cut,
    "cut-chunked": _cut_chunked,
    "cut-without-length": _cut_without_length,
    "length-too-small": _length_too_small,
    "length-too-large": _length_too_large,
    "length-enormous": _length_enormous,
    "length-negative": _length_negative,
    "lengths-differ": _lengths_differ,
    "endless": _endless,
    "endless-chunks": _endless_chunks,
    "tiny-chunks": _tiny_chunks,
    "slow": _slow,
    "hang": _hang,
    "hang-in-body": _hang_in_body,
    "gzip": _gzip,
    "gzip-transfer": _gzip_transfer,
    "not-found": _not_found,
    "gone": _gone,
    "error": _error,
    "partial": _partial,
    "redirect": _redirect,
    "huge-head": _huge_head,
    "endless-head": _endless_head,
    "head-drip": _head_drip,
    "endless-hints": _endless_hints,
    "switch": _switch,
    "silence": _silence,
    "garbage": _garbage,
    "bare-bytes": _bare_bytes,
    "reset": _reset,
}
