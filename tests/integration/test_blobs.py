"""The loopback blob server, talked to with plain sockets."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from dvm import blobs
from dvm.blobs import BlobServer

BODY = bytes(range(256)) * 5000
DIGEST = hashlib.sha256(BODY).hexdigest()


async def ask(base: str, text: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer to a raw request head."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(base.rpartition(":")[2]))
    try:
        writer.write(text.encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        body = await reader.read()
    finally:
        writer.close()
    line, *headers = head.rstrip().split("\r\n")
    return int(line.split()[1]), dict(header.lower().split(": ") for header in headers), body


def get(path: str, method: str = "GET") -> str:
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.mark.parametrize("path", [f"/{DIGEST}.wasm", f"/{DIGEST}", f"/{DIGEST}.bin", f"/{DIGEST}.wasm?x=1"])
def test_a_blob_is_served_under_its_digest(path: str) -> None:
    async def scene() -> None:
        async with BlobServer([b"other", BODY]) as base:
            assert base.startswith("http://127.0.0.1:")
            status, headers, body = await ask(base, get(path))
            assert (status, body) == (200, BODY)
            assert headers["content-type"] == "application/wasm"
            assert headers["content-length"] == str(len(BODY))
            status, headers, body = await ask(base, get(path, "HEAD"))
            assert (status, body, headers["content-length"]) == (200, b"", str(len(BODY)))

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (get("/" + "0" * 64), 404),
        (get("/"), 404),
        (get("/../etc/passwd"), 404),
        (get(f"/x/{DIGEST}"), 404),
        (get(f"/{DIGEST}", "PUT"), 405),
        (get(f"/{DIGEST}", "DELETE"), 405),
    ],
)
def test_everything_else_is_refused(request_head: str, status: int) -> None:
    async def scene() -> None:
        async with BlobServer([BODY]) as base:
            assert (await ask(base, request_head))[0] == status

    asyncio.run(scene())


@pytest.mark.parametrize("garbage", ["\r\n\r\n\0", "GET\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "X" * 100_000])
def test_garbage_ends_its_own_connection_only(garbage: str) -> None:
    async def scene() -> None:
        async with BlobServer([BODY]) as base:
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await ask(base, garbage)
            assert (await ask(base, get(f"/{DIGEST}")))[0] == 200

    asyncio.run(scene())


def test_a_connection_too_many_is_turned_away_and_silent_ones_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "MAX_CONNECTIONS", 2)
    monkeypatch.setattr(blobs, "HEAD_TIMEOUT_S", 0.1)

    async def scene() -> None:
        async with BlobServer([BODY]) as base:
            port = int(base.rpartition(":")[2])
            silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await ask(base, get(f"/{DIGEST}"))
            for reader, writer in silent:
                assert await reader.read() == b""
                writer.close()
            assert (await ask(base, get(f"/{DIGEST}")))[0] == 200

    asyncio.run(scene())


def test_leaving_ends_open_connections() -> None:
    async def scene() -> None:
        async with BlobServer([BODY]) as base:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(base.rpartition(":")[2]))
            await ask(base, get("/"))
        try:
            rest = await reader.read()  # would wait for ever if the connection had survived
        except ConnectionError:
            rest = b""
        assert rest == b""
        writer.close()

    asyncio.run(scene())
