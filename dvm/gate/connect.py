"""`Target` to connected socket: resolve once, judge every answer, connect to an address that was judged.

The name is looked up one single time, so a name that changes its answer gains nothing: what was classified is
what is dialled, and the peer of the finished connection is compared with it. Reads no environment, follows no
proxy.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from dvm.gate.address import classify, family_of, is_loopback, pack, unpack
from dvm.gate.url import Refused, Target

MAX_ANSWERS = 16
MAX_DIALS = 4
FALLBACK_AFTER_S = 2.0
RESOLVE_TIMEOUT_S = 3.0
MAX_LOOKUPS = 4

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""Host name to addresses as text, best first. Raises OSError when there is no answer."""

Dial = Callable[[bytes, int], Awaitable[socket.socket]]
"""Packed address and port to a connected non-blocking TCP socket. Raises OSError."""

_LOCAL = re.compile(r"(?:\[(?P<v6>[0-9a-f:]+)\]|(?P<v4>[0-9.]+)):(?P<port>[1-9][0-9]{0,4})")


class Unreachable(Exception):
    """Allowed, but it did not come about. `code`: `no-such-host`, `timeout` or `unreachable`."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """What the operator allows beyond TLS to public addresses on port 443.

    `local`: loopback addresses that may be dialled, also without TLS: `127.0.0.1` or `::1` for every port,
    `127.0.0.1:8080` or `[::1]:8080` for one. `ports`: ports allowed on public addresses.
    Raises ValueError for an address that is malformed or not loopback.
    """

    local: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset({443})
    _named: frozenset[tuple[bytes, int | None]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_named", frozenset(_local(text) for text in self.local))

    def names(self, address: bytes, port: int) -> bool:
        """Whether the operator has named this address, with this port or for all ports."""
        return (address, port) in self._named or (address, None) in self._named


class Gate:
    """Makes connections that the policy allows, and no others.

    `resolve` and `dial` are the system's unless given; `dial` has no say in which addresses are permitted.
    """

    def __init__(self, policy: GatePolicy, *, resolve: Resolve | None = None, dial: Dial | None = None) -> None:
        self._policy = policy
        self._resolve = resolve or SystemResolver()
        self._dial = dial or dial_tcp

    async def connect(self, target: Target, *, timeout_s: float) -> socket.socket:
        """A connected, non-blocking TCP socket with TCP_NODELAY.

        The caller closes it, and starts TLS if `target.tls`.

        Raises `Refused` when the target may not be dialled, `Unreachable` when it does not answer in
        `timeout_s` seconds (name look-up included, which alone gets 3 seconds).
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._dial_in_turn(await self._permitted(target), target)
        except TimeoutError:
            raise Unreachable("timeout", f"{target.authority} did not answer in time") from None

    async def _permitted(self, target: Target) -> list[bytes]:
        """The addresses of the target: all of them permitted, or the target is refused."""
        literal = target.address
        if not target.tls and (literal is None or not self._policy.names(literal, target.port)):
            raise Refused("scheme", f"{target.scheme}:// is allowed only to loopback addresses named by the operator")
        answers = [literal] if literal is not None else await self._look_up(target.host)
        for address in answers:
            self._judge(address, target.port)
        return answers

    def _judge(self, address: bytes, port: int) -> None:
        if self._policy.names(address, port):
            return
        reason = classify(address)
        if reason is not None:
            raise Refused("address", f"{unpack(address)} is not a public address ({reason})")
        if port not in self._policy.ports:
            raise Refused("port", f"port {port} is not among the ports this node dials")

    async def _look_up(self, host: str) -> list[bytes]:
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT_S):
                texts = await self._resolve(host)
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            gone = isinstance(error, socket.gaierror) and error.errno != socket.EAI_AGAIN
            raise Unreachable("no-such-host" if gone else "unreachable", f"{host} has no address") from None
        answers = [pack(text) for text in texts[:MAX_ANSWERS]]
        known = [address for address in answers if address is not None]
        if len(known) != len(answers):
            raise Refused("address", f"{host} resolves to something that is not a plain address")
        if not known:
            raise Unreachable("no-such-host", f"{host} has no address")
        return list(dict.fromkeys(known))

    async def _dial_in_turn(self, addresses: list[bytes], target: Target) -> socket.socket:
        """The first of a few addresses that answers. All but the last must answer quickly."""
        tries = addresses[:MAX_DIALS]
        for address in tries:
            try:
                async with asyncio.timeout(None if address == tries[-1] else FALLBACK_AFTER_S):
                    connection = await self._dial(address, target.port)
            except OSError:
                continue
            _check_peer(connection, address, target.port)
            return connection
        raise Unreachable("unreachable", f"{target.authority} could not be reached")


class SystemResolver:
    """The system's resolver in the loop's executor, with few look-ups at a time.

    A look-up that the caller has given up on still holds its place until its thread is free again: a dead
    name server cannot use up the executor.
    """

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(MAX_LOOKUPS)

    async def __call__(self, host: str) -> list[str]:
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(None, _getaddrinfo, host)
        future.add_done_callback(self._finished)
        return await asyncio.shield(future)

    def _finished(self, future: asyncio.Future[list[str]]) -> None:
        self._places.release()
        if not future.cancelled():
            future.exception()  # looked at, so that an abandoned look-up is not reported as a lost error


def _getaddrinfo(host: str) -> list[str]:
    return [str(info[4][0]) for info in socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)]


async def dial_tcp(address: bytes, port: int) -> socket.socket:
    """A plain TCP connection. Judges nothing: only the gate calls it."""
    connection = socket.socket(family_of(address), socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(connection, (unpack(address), port))
    except BaseException:
        connection.close()
        raise
    return connection


def _check_peer(connection: socket.socket, address: bytes, port: int) -> None:
    try:
        peer = connection.getpeername()
    except OSError:
        connection.close()
        raise Unreachable("unreachable", "the connection was closed at once") from None
    if pack(peer[0]) != address or peer[1] != port:
        connection.close()
        raise Refused("peer", f"asked for {unpack(address)} port {port}, but the connection ends elsewhere")


def _local(text: str) -> tuple[bytes, int | None]:
    found = _LOCAL.fullmatch(text)
    host = (found["v6"] or found["v4"]) if found else text
    packed = pack(host)
    if packed is None or (found and (len(packed) == 16) != (found["v6"] is not None)):
        raise ValueError(f"{text!r} is not an address or address:port")
    if not is_loopback(packed):
        raise ValueError(f"{text!r} is not a loopback address")
    port = int(found["port"]) if found else None
    if port is not None and port > 65535:
        raise ValueError(f"{text!r} has a port above 65535")
    return packed, port
