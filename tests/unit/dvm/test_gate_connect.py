"""Who is dialled: the gate with a scripted resolver and a dialler that only takes notes."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvm.gate import Gate, GatePolicy, Refused, Target, Unreachable, classify, parse_url
from dvm.gate.connect import MAX_ANSWERS, MAX_DIALS
from tests.support.special_addresses import BLOCKS

PUBLIC = "93.184.216.34"
PUBLIC6 = "2606:2800:220:1::1"
HTTPS = parse_url("https://cdn.example/x", ["https"])


class World:
    """A resolver that answers from a script, one answer per look-up, and a dialler that refuses every connection."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.lookups: list[str] = []
        self.dialled: list[tuple[str, int]] = []

    async def resolve(self, host: str) -> Sequence[str]:
        self.lookups.append(host)
        return self.answers.pop(0)

    async def dial(self, address: bytes, port: int) -> socket.socket:
        self.dialled.append((str(ipaddress.ip_address(address)), port))
        raise ConnectionRefusedError

    def try_to_connect(self, target: Target, policy: GatePolicy | None = None) -> str:
        """The code of what went wrong; something always does."""
        gate = Gate(policy or GatePolicy(), resolve=self.resolve, dial=self.dial)
        try:
            asyncio.run(gate.connect(target, timeout_s=5))
        except (Refused, Unreachable) as error:
            return error.code
        raise AssertionError("connected")


def test_a_public_address_is_dialled() -> None:
    world = World([PUBLIC])
    assert world.try_to_connect(HTTPS) == "unreachable"
    assert world.dialled == [(PUBLIC, 443)]


def test_a_name_is_resolved_once_so_rebinding_gains_nothing() -> None:
    world = World([PUBLIC], ["127.0.0.1"])
    world.try_to_connect(HTTPS)
    assert world.lookups == ["cdn.example"]
    assert world.dialled == [(PUBLIC, 443)]
    assert world.try_to_connect(HTTPS) == "address"
    assert world.dialled == [(PUBLIC, 443)]


@pytest.mark.parametrize("order", [[PUBLIC, "10.0.0.1"], ["10.0.0.1", PUBLIC], [PUBLIC6, "::1"]])
def test_mixed_answers_are_refused_whole(order: list[str]) -> None:
    world = World(order)
    assert world.try_to_connect(HTTPS) == "address"
    assert world.dialled == []


@pytest.mark.parametrize("answer", ["fe80::1%eth0", "localhost", "0177.0.0.1", ""])
def test_an_answer_that_is_no_plain_address_is_refused(answer: str) -> None:
    world = World([PUBLIC, answer])
    assert world.try_to_connect(HTTPS) == "address"
    assert world.dialled == []


def test_answers_are_tried_in_turn_each_once_up_to_a_few() -> None:
    world = World([PUBLIC, PUBLIC, PUBLIC6, *(f"1.1.1.{n}" for n in range(9))])
    assert world.try_to_connect(HTTPS) == "unreachable"
    assert [host for host, _ in world.dialled] == [PUBLIC, PUBLIC6, "1.1.1.0", "1.1.1.1"]
    assert len(world.dialled) == MAX_DIALS


def test_answers_beyond_the_cap_are_neither_judged_nor_dialled() -> None:
    world = World([PUBLIC] * MAX_ANSWERS + ["127.0.0.1"])
    assert world.try_to_connect(HTTPS) == "unreachable"
    assert world.dialled == [(PUBLIC, 443)]
    assert World([PUBLIC] * (MAX_ANSWERS - 1) + ["127.0.0.1"]).try_to_connect(HTTPS) == "address"


def test_no_answers() -> None:
    assert World([]).try_to_connect(HTTPS) == "no-such-host"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (socket.gaierror(socket.EAI_NONAME, "unknown"), "no-such-host"),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), "unreachable"),
        (OSError("no network"), "unreachable"),
    ],
)
def test_a_resolver_that_fails(error: OSError, code: str) -> None:
    async def resolve(host: str) -> Sequence[str]:
        raise error

    with pytest.raises(Unreachable) as unreachable:
        asyncio.run(Gate(GatePolicy(), resolve=resolve).connect(HTTPS, timeout_s=5))
    assert unreachable.value.code == code


@pytest.mark.parametrize("stuck", ["resolver", "dialler"])
def test_waiting_has_an_end(stuck: str) -> None:
    async def resolve(host: str) -> Sequence[str]:
        if stuck == "resolver":
            await asyncio.Event().wait()
        return [PUBLIC]

    async def dial(address: bytes, port: int) -> socket.socket:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(Unreachable) as unreachable:
        asyncio.run(Gate(GatePolicy(), resolve=resolve, dial=dial).connect(HTTPS, timeout_s=0.001))
    assert unreachable.value.code == "timeout"


@pytest.mark.parametrize("url", ["http://cdn.example/", "ws://cdn.example/", f"http://{PUBLIC}/", "http://127.0.0.1/"])
def test_plain_text_needs_an_address_named_by_the_operator(url: str) -> None:
    world = World([PUBLIC])
    target = parse_url(url, ["http", "ws"])
    assert world.try_to_connect(target, GatePolicy(frozenset({"127.0.0.1:8080", "::1"}))) == "scheme"
    assert (world.lookups, world.dialled) == ([], [])


def test_a_name_never_gets_plain_text_even_if_it_resolves_to_a_named_address() -> None:
    world = World(["127.0.0.1"])
    target = parse_url("http://cdn.example/", ["http"])
    assert world.try_to_connect(target, GatePolicy(frozenset({"127.0.0.1"}))) == "scheme"


@pytest.mark.parametrize(
    ("local", "url", "allowed"),
    [
        ("127.0.0.1", "http://127.0.0.1:1/", True),
        ("127.0.0.1", "ws://127.0.0.1:7777/", True),
        ("127.0.0.1", "https://127.0.0.1:22/", True),
        ("127.0.0.1", "http://127.0.0.2:1/", False),
        ("127.0.0.1", "http://[::1]:1/", False),
        ("127.0.0.1:8080", "http://127.0.0.1:8080/", True),
        ("127.0.0.1:8080", "http://127.0.0.1:8081/", False),
        ("127.0.0.1:8080", "http://127.0.0.1/", False),
        ("::1", "ws://[::1]:7/", True),
        ("[::1]:7", "ws://[::1]:7/", True),
        ("[::1]:7", "wss://[::1]:8/", False),
    ],
)
def test_the_operator_names_loopback_addresses(local: str, url: str, allowed: bool) -> None:
    world = World()
    target = parse_url(url, ["http", "https", "ws", "wss"])
    code = world.try_to_connect(target, GatePolicy(frozenset({local})))
    assert code == ("unreachable" if allowed else "scheme" if not target.tls else "address")
    assert len(world.dialled) == (1 if allowed else 0)


def test_a_named_address_opens_nothing_else() -> None:
    world = World(["10.0.0.1"])
    assert world.try_to_connect(HTTPS, GatePolicy(frozenset({"127.0.0.1"}))) == "address"


NO_LOCAL = ["10.0.0.1", "0.0.0.0", "localhost", "127.1", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:", "::1:80", ""]
NO_LOCAL += ["[::1]", "[127.0.0.1]:80", "::ffff:127.0.0.1", "128.0.0.1:80", "127.0.0.1/8", "fe80::1", "*"]


@pytest.mark.parametrize("text", NO_LOCAL)
def test_only_loopback_addresses_can_be_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not|port"):
        GatePolicy(frozenset({text}))


@pytest.mark.parametrize(("port", "code"), [(443, "unreachable"), (8443, "unreachable"), (22, "port"), (80, "port")])
def test_ports_of_public_addresses_are_limited(port: int, code: str) -> None:
    world = World([PUBLIC])
    target = parse_url(f"https://cdn.example:{port}/", ["https"])
    assert world.try_to_connect(target, GatePolicy(ports=frozenset({443, 8443}))) == code


# No address in a denied block is ever dialled, whatever is asked for and whatever the resolver says.

_inside = st.sampled_from(BLOCKS).flatmap(lambda block: st.ip_addresses(network=block))
_answers = st.lists((_inside | st.ip_addresses()).map(str), max_size=20)
_hosts = st.just("cdn.example") | (_inside | st.ip_addresses()).map(
    lambda address: f"[{socket.inet_ntop(socket.AF_INET6, address.packed)}]" if address.version == 6 else str(address)
)


@given(st.sampled_from(["https", "wss", "http", "ws"]), _hosts, st.sampled_from(["", ":443", ":8443", ":1"]), _answers)
def test_no_denied_address_is_ever_dialled(scheme: str, host: str, port: str, answers: list[str]) -> None:
    world = World(answers)
    world.try_to_connect(parse_url(f"{scheme}://{host}{port}/", ["https", "wss", "http", "ws"]))
    assert [pair for pair in world.dialled if classify(ipaddress.ip_address(pair[0]).packed) is not None] == []
    assert [pair for pair in world.dialled if any(ipaddress.ip_address(pair[0]) in block for block in BLOCKS)] == []
