"""The deny table against the registries themselves."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvm.gate.address import classify, is_loopback, pack, unpack
from tests.support.special_addresses import BLOCKS, UNICAST, Address


def denied(address: Address) -> bool:
    outside = address.version == 6 and address not in UNICAST
    return outside or any(address in block for block in BLOCKS if block.version == address.version)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_is_denied_from_its_first_to_its_last_address(block: ipaddress.IPv4Network) -> None:
    middle = block.network_address + block.num_addresses // 2
    for address in (block.network_address, middle, block.broadcast_address):
        assert classify(address.packed) is not None, address


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_ends_where_it_ends(block: ipaddress.IPv4Network) -> None:
    top = 2**block.max_prefixlen - 1
    for number in (int(block.network_address) - 1, int(block.broadcast_address) + 1):
        if 0 <= number <= top:
            beyond = type(block.network_address)(number)
            assert (classify(beyond.packed) is not None) == denied(beyond), beyond


PUBLIC = ["1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "128.0.0.0", "172.32.0.0", "223.255.255.255"]
PUBLIC += ["2001:200::1", "2606:4700::1111", "2a00:1450:4001:80e::200e", "3ffe:ffff::1"]


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_pass(text: str) -> None:
    assert classify(ipaddress.ip_address(text).packed) is None


EMBEDDED = {
    "mapped": "::ffff:{}",
    "compatible": "::{}",
    "translated": "::ffff:0:{}",
    "NAT64": "64:ff9b::{}",
    "local NAT64": "64:ff9b:1::{}",
    "ISATAP": "2a00:1450::5efe:{}",
    "ISATAP, universal": "2a00:1450::200:5efe:{}",
}


@pytest.mark.parametrize("form", EMBEDDED.values(), ids=EMBEDDED.keys())
@pytest.mark.parametrize("v4", ["127.0.0.1", "169.254.169.254", "8.8.8.8"])
def test_an_ipv4_address_cannot_hide_in_ipv6(form: str, v4: str) -> None:
    """Not even a public one: whoever means it can write it plainly."""
    assert classify(ipaddress.IPv6Address(form.format(v4)).packed) is not None


def test_6to4_and_teredo_are_denied_whatever_they_embed() -> None:
    assert classify(bytes.fromhex("2002" + "7f000001") + bytes(10)) is not None
    assert classify(bytes.fromhex("20010000" + "08080808") + bytes(4) + bytes.fromhex("80fffffe")) is not None


@given(st.ip_addresses())
def test_the_table_agrees_with_the_registries_everywhere(address: Address) -> None:
    isatap = address.version == 6 and address.packed[8:12].hex() in ("00005efe", "02005efe")
    assert (classify(address.packed) is not None) == (denied(address) or isatap)


@pytest.mark.parametrize("length", [0, 3, 5, 15, 17])
def test_what_is_no_address_is_a_bug(length: int) -> None:
    with pytest.raises(ValueError, match="4 or 16"):
        classify(bytes(length))


@given(st.ip_addresses())
def test_the_canonical_spelling_is_read_back(address: Address) -> None:
    assert pack(unpack(address.packed)) == address.packed


NOT_CANONICAL = ["127.1", "0x7f000001", "0177.0.0.1", "2130706433", "127.0.0.01", "127.0.0.1.", " 127.0.0.1", "", "0"]
NOT_CANONICAL += [
    "::0001",
    "0:0:0:0:0:0:0:1",
    "FE80::1",
    "fe80::1%lo",
    "[::1]",
    "::ffff:7f00:1",
    "127.0.0.1\0",
    "1.2.3",
]


@pytest.mark.parametrize("text", NOT_CANONICAL)
def test_other_spellings_are_no_address(text: str) -> None:
    assert pack(text) is None


def test_loopback_is_the_plain_form_only() -> None:
    for text, expected in [("127.0.0.1", True), ("127.255.0.9", True), ("::1", True), ("128.0.0.1", False)]:
        assert is_loopback(ipaddress.ip_address(text).packed) is expected
    assert not is_loopback(ipaddress.ip_address("::ffff:127.0.0.1").packed)
