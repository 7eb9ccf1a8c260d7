"""The gate with real sockets on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dvm.gate import Gate, GatePolicy, Refused, Unreachable, parse_url
from dvm.gate.connect import MAX_LOOKUPS, SystemResolver, dial_tcp

LOCAL = GatePolicy(frozenset({"127.0.0.1", "127.0.0.2", "::1"}))


@contextmanager
def listening(family: socket.AddressFamily = socket.AF_INET, host: str = "127.0.0.1") -> Iterator[int]:
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.bind((host, 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.mark.parametrize("scheme", ["http", "https", "ws", "wss"])
def test_a_named_loopback_address_is_connected(scheme: str) -> None:
    async def scene(port: int) -> None:
        target = parse_url(f"{scheme}://127.0.0.1:{port}/", [scheme])
        with await Gate(LOCAL).connect(target, timeout_s=5) as connection:
            assert connection.getpeername() == ("127.0.0.1", port)
            assert connection.getblocking() is False
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
            assert connection.get_inheritable() is False

    with listening() as port:
        asyncio.run(scene(port))


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_ipv6_loopback() -> None:
    async def scene(port: int) -> None:
        target = parse_url(f"ws://[::1]:{port}/", ["ws"])
        with await Gate(LOCAL).connect(target, timeout_s=5) as connection:
            assert connection.getpeername()[:2] == ("::1", port)

    with listening(socket.AF_INET6, "::1") as port:
        asyncio.run(scene(port))


def test_the_next_address_is_tried_when_one_refuses() -> None:
    async def resolve(host: str) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    async def scene(port: int) -> None:
        target = parse_url(f"https://relay.example:{port}/", ["https"])
        with await Gate(LOCAL, resolve=resolve).connect(target, timeout_s=5) as connection:
            assert connection.getpeername() == ("127.0.0.1", port)

    with listening() as port:
        asyncio.run(scene(port))


def test_nobody_listens() -> None:
    with listening() as port:
        pass
    target = parse_url(f"ws://127.0.0.1:{port}/", ["ws"])
    with pytest.raises(Unreachable) as unreachable:
        asyncio.run(Gate(LOCAL).connect(target, timeout_s=5))
    assert unreachable.value.code == "unreachable"


def test_a_connection_that_ends_elsewhere_is_closed_and_refused() -> None:
    made: list[socket.socket] = []

    async def scene(port: int) -> None:
        async def astray(address: bytes, _: int) -> socket.socket:
            made.append(await dial_tcp(socket.inet_aton("127.0.0.1"), port))
            return made[-1]

        target = parse_url(f"ws://127.0.0.2:{port}/", ["ws"])
        with pytest.raises(Refused) as refused:
            await Gate(LOCAL, dial=astray).connect(target, timeout_s=5)
        assert refused.value.code == "peer"

    with listening() as port:
        asyncio.run(scene(port))
    assert [connection.fileno() for connection in made] == [-1]


def test_the_system_resolver_answers_with_addresses() -> None:
    answers = asyncio.run(SystemResolver()("localhost"))
    assert set(answers) & {"127.0.0.1", "::1"}


def test_a_name_nobody_has() -> None:
    with pytest.raises(OSError):  # noqa: PT011 (which kind depends on the machine's resolver)
        asyncio.run(SystemResolver()("no-such-host.invalid"))


def test_abandoned_look_ups_keep_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead name server must not use up the executor: further look-ups wait, and time out, without a thread."""
    import threading

    release = threading.Event()
    started: list[str] = []

    def stuck(host: bytes, *_: object, **__: object) -> list[object]:
        started.append(host.decode())
        release.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", stuck)

    async def scene() -> None:
        resolve = SystemResolver()
        for n in range(MAX_LOOKUPS + 3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await resolve(f"{n}.example")
        assert len(started) == MAX_LOOKUPS
        release.set()
        assert await resolve("later.example") == []

    asyncio.run(scene())
