"""`dial_websocket` against servers that do what relays should not, over real sockets on loopback."""

from __future__ import annotations

import asyncio
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Frame, Opcode

from relayclient.connection import dial_websocket
from relayclient.errors import ConnectFailed, ConnectionLost

Served = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def relay(behave: Served) -> AsyncIterator[str]:
    async with serve(behave, "127.0.0.1", 0, close_timeout=0.1) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}"


@asynccontextmanager
async def answering(reply: bytes) -> AsyncIterator[str]:
    """A server that reads a request and writes these bytes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def echo(ws: ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


def raw_frame(opcode: Opcode, data: bytes, *, compressed: bool = False) -> bytes:
    return Frame(opcode, data, rsv1=compressed).serialize(mask=False)


def test_messages_go_both_ways_and_arrive_as_bytes() -> None:
    async def main() -> None:
        async with relay(echo) as url:
            transport = await dial_websocket(url)
            await transport.send('["é"]')
            assert await transport.recv() == '["é"]'.encode()
            await transport.close()
            await transport.close()
            with pytest.raises(ConnectionLost):
                await transport.send("x")
            with pytest.raises(ConnectionLost):
                await transport.recv()

    asyncio.run(main())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    async def main() -> None:
        hits = []

        async def count(ws: ServerConnection) -> None:
            hits.append(ws)

        async with relay(count) as elsewhere:
            reply = f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n"
            async with answering(reply.encode()) as url:
                with pytest.raises(ConnectFailed):
                    await dial_websocket(url)
        assert hits == []

    asyncio.run(main())


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"\x00\xff garbage\r\n\r\n",
        b"HTTP/1.1 101 X\r\n" + b"A: b\r\n" * 10_000 + b"\r\n",
        b"HTTP/1.1 101 " + b"x" * 1_000_000,
    ],
    ids=["nothing", "a page", "half a handshake", "garbage", "many headers", "a long line"],
)
def test_what_is_no_websocket_server(reply: bytes) -> None:
    async def main() -> None:
        async with answering(reply) as url:
            with pytest.raises(ConnectFailed):
                await dial_websocket(url)

    asyncio.run(main())


def test_nobody_there_and_nobody_answering() -> None:
    async def main() -> None:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            url = f"ws://127.0.0.1:{listening.getsockname()[1]}"
            with pytest.raises(ConnectFailed):
                await dial_websocket(url)
            listening.listen()
            with pytest.raises(ConnectFailed, match="timed out"):
                await dial_websocket(url, open_timeout=0.05)

    asyncio.run(main())


def test_a_message_over_the_bound_ends_the_connection_and_one_at_the_bound_does_not() -> None:
    async def main() -> None:
        async def send(ws: ServerConnection) -> None:
            await ws.send("x" * 1000)
            await ws.send("x" * 1001)
            await ws.wait_closed()

        async with relay(send) as url:
            transport = await dial_websocket(url, max_size=1000)
            assert await transport.recv() == b"x" * 1000
            with pytest.raises(ConnectionLost):
                await transport.recv()

    asyncio.run(main())


def test_a_compressed_bomb_is_not_inflated() -> None:
    async def main() -> None:
        async def bomb(ws: ServerConnection) -> None:
            assert "Sec-WebSocket-Extensions" not in ws.request.headers  # type: ignore[union-attr]
            squeeze = zlib.compressobj(wbits=-15)
            data = squeeze.compress(bytes(50_000_000)) + squeeze.flush(zlib.Z_SYNC_FLUSH)
            ws.transport.write(raw_frame(Opcode.TEXT, data, compressed=True))
            await ws.wait_closed()

        async with relay(bomb) as url:
            transport = await dial_websocket(url)
            with pytest.raises(ConnectionLost):
                await transport.recv()

    asyncio.run(main())


def test_text_that_is_no_utf8_is_left_to_the_parser_and_the_connection_stands() -> None:
    async def main() -> None:
        async def send(ws: ServerConnection) -> None:
            ws.transport.write(raw_frame(Opcode.TEXT, b"\xff\xfe"))
            await ws.send('["NOTICE","next"]')
            await ws.wait_closed()

        async with relay(send) as url:
            transport = await dial_websocket(url)
            assert await transport.recv() == b"\xff\xfe"
            assert await transport.recv() == b'["NOTICE","next"]'
            await transport.close()

    asyncio.run(main())


def test_a_socket_handed_in_is_used_and_never_delays_small_messages() -> None:
    async def main() -> None:
        async with relay(echo) as url:
            port = int(url.rpartition(":")[2])
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            await asyncio.to_thread(sock.connect, ("127.0.0.1", port))
            sock.setblocking(False)
            assert not sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            # The name would lead nowhere: only the socket counts.
            transport = await dial_websocket("ws://relay.invalid", sock=sock)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            await transport.send("x")
            assert await transport.recv() == b"x"
            await transport.close()

    asyncio.run(main())


def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with answering(b"HTTP/1.1 500 a proxy\r\n\r\n") as proxy, relay(echo) as url:
            for name in ("http_proxy", "HTTP_PROXY", "ws_proxy", "WS_PROXY", "all_proxy", "ALL_PROXY", "socks_proxy"):
                monkeypatch.setenv(name, proxy.replace("ws://", "http://"))
            monkeypatch.delenv("no_proxy", raising=False)
            monkeypatch.delenv("NO_PROXY", raising=False)
            transport = await dial_websocket(url)
            await transport.close()

    asyncio.run(main())


def test_a_server_that_never_closes_is_left_in_bounded_time() -> None:
    async def main() -> None:
        hold = asyncio.Event()

        async def deaf(ws: ServerConnection) -> None:
            ws.transport.pause_reading()
            await hold.wait()

        async with relay(deaf) as url:
            transport = await dial_websocket(url)
            async with asyncio.timeout(20):
                await transport.close()
            hold.set()

    asyncio.run(main())
