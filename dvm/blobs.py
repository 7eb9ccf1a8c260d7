"""A small blob server on loopback, for handing a component file to a node on the same machine.

Serves a few given byte strings under their sha256 (BUD-01: GET and HEAD of `/<sha256>` with any extension), and
nothing else; it holds no state, reads no file, and listens on 127.0.0.1 only. Meant for one machine, yet bounded
like everything that listens: connections, head size, time.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import Iterable

import h11

MAX_CONNECTIONS = 32
MAX_HEAD_BYTES = 8 * 1024
HEAD_TIMEOUT_S = 10.0
SEND_TIMEOUT_S = 60.0
PIECE_BYTES = 256 * 1024

_PATH = re.compile(rb"/([0-9a-f]{64})(?:\.[A-Za-z0-9]{1,16})?")


class BlobServer:
    """An async context manager that serves `blobs` while it is open and gives its base URL.

    `async with BlobServer([data]) as base:` makes the data available at `<base>/<sha256 of data>.wasm`. Raises
    OSError when the port is taken; port 0 takes any free one.
    """

    def __init__(self, blobs: Iterable[bytes], *, port: int = 0) -> None:
        self._blobs = {hashlib.sha256(blob).hexdigest(): blob for blob in blobs}
        self._port = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port, limit=MAX_HEAD_BYTES)
        port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            for writer in self._writers:
                writer.transport.abort()
            await self._idle.wait()  # an aborted connection ends its handler at once
            await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._writers) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        self._writers.add(writer)
        self._idle.clear()
        try:
            with contextlib.suppress(OSError, h11.RemoteProtocolError):  # the peer's trouble; TimeoutError too
                await self._converse(reader, writer)
        finally:
            writer.close()
            self._writers.discard(writer)
            if not self._writers:
                self._idle.set()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one response, and the connection ends."""
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        async with asyncio.timeout(HEAD_TIMEOUT_S):
            while (request := http.next_event()) is h11.NEED_DATA:
                http.receive_data(await reader.read(MAX_HEAD_BYTES))
        if not isinstance(request, h11.Request):
            return
        status, blob = self._found(request)
        head = h11.Response(
            status_code=status,
            headers=[
                ("Content-Type", "application/wasm" if status == 200 else "text/plain"),
                ("Content-Length", str(len(blob))),
                ("Connection", "close"),
            ],
        )
        async with asyncio.timeout(SEND_TIMEOUT_S):
            writer.write(http.send(head) or b"")
            if request.method != b"HEAD":
                for start in range(0, len(blob), PIECE_BYTES):
                    writer.write(http.send(h11.Data(data=blob[start : start + PIECE_BYTES])) or b"")
                    await writer.drain()
            await writer.drain()

    def _found(self, request: h11.Request) -> tuple[int, bytes]:
        if request.method not in (b"GET", b"HEAD"):
            return 405, b"only GET and HEAD\n"
        path = _PATH.fullmatch(request.target.partition(b"?")[0])
        blob = self._blobs.get(path[1].decode()) if path else None
        return (404, b"no such blob\n") if blob is None else (200, blob)
