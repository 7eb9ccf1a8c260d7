"""Which internet addresses a stranger may make this node dial: a table of our own, judged on packed bytes.

The blocks are all entries of the IANA special-purpose address registries for IPv4 and IPv6 (also the few that
those registries call globally reachable: nobody publishes components on an anycast protocol address),
multicast, and every form in which an IPv4 address can hide in an IPv6 one. Beyond the table, IPv6 is closed
by default: only the global unicast space 2000::/3 can be dialled. Python's own `is_global` is deliberately
not used: it differs between versions and misses a third of these. Pure: no sockets are opened here.
"""

from __future__ import annotations

import socket

_V4_BLOCKS = (
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private use"),
    ("100.64.0.0/10", "shared address space"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link local"),
    ("172.16.0.0/12", "private use"),
    ("192.0.0.0/24", "IETF protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.31.196.0/24", "AS112"),
    ("192.52.193.0/24", "AMT"),
    ("192.88.99.0/24", "6to4 relay anycast"),
    ("192.168.0.0/16", "private use"),
    ("192.175.48.0/24", "AS112"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
)

_V6_BLOCKS = (
    ("::1/128", "loopback"),
    ("::/96", "unspecified or IPv4-compatible"),
    ("::ffff:0:0/96", "IPv4-mapped"),
    ("::ffff:0:0:0/96", "IPv4-translated"),
    ("64:ff9b::/96", "NAT64"),
    ("64:ff9b:1::/48", "local-use NAT64"),
    ("100::/64", "discard only"),
    ("100:0:0:1::/64", "dummy prefix"),
    ("2001::/32", "Teredo"),
    ("2001::/23", "IETF protocol assignments"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4"),
    ("2620:4f:8000::/48", "AS112"),
    ("3fff::/20", "documentation"),
    ("5f00::/16", "segment routing"),
    ("fc00::/7", "unique local"),
    ("fe80::/10", "link local"),
    ("fec0::/10", "site local"),
    ("ff00::/8", "multicast"),
)

_ISATAP = (bytes.fromhex("00005efe"), bytes.fromhex("02005efe"))
"""First half of an interface identifier whose second half is an IPv4 address (RFC 5214), under any prefix."""


def pack(text: str) -> bytes | None:
    """The 4 or 16 bytes of an address in its one canonical spelling, else None.

    Canonical: dotted decimal quad without leading zeros, or the shortest lower-case IPv6 form; no zone. The
    spellings that some resolvers also take for an address (`127.1`, `0x7f000001`, `2130706433`) are not
    addresses here.
    """
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            packed = socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        if socket.inet_ntop(family, packed) == text:
            return packed
    return None


def unpack(packed: bytes) -> str:
    """The canonical spelling of 4 or 16 bytes."""
    return socket.inet_ntop(family_of(packed), packed)


def family_of(packed: bytes) -> socket.AddressFamily:
    """The address family of 4 or 16 bytes."""
    return socket.AF_INET if len(packed) == 4 else socket.AF_INET6


def is_loopback(packed: bytes) -> bool:
    """Whether this is 127.0.0.0/8 or ::1 itself, not some embedding of it."""
    return (len(packed) == 4 and packed[0] == 127) or packed == bytes(15) + b"\x01"


def classify(packed: bytes) -> str | None:
    """Why these 4 or 16 bytes must not be dialled, in a few words; None for a public unicast address."""
    if len(packed) not in (4, 16):
        raise ValueError("an address has 4 or 16 bytes")
    bits = 8 * len(packed)
    value = int.from_bytes(packed)
    for network, prefix, reason in _V4 if bits == 32 else _V6:
        if value >> (bits - prefix) == network:
            return reason
    if bits == 128:
        if value >> 125 != 1:
            return "outside global unicast"
        if packed[8:12] in _ISATAP:
            return "ISATAP"
    return None


def _table(blocks: tuple[tuple[str, str], ...]) -> tuple[tuple[int, int, str], ...]:
    rows = []
    for block, reason in blocks:
        text, _, length = block.partition("/")
        packed = socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
        rows.append((int.from_bytes(packed) >> (8 * len(packed) - int(length)), int(length), reason))
    return tuple(rows)


_V4 = _table(_V4_BLOCKS)
_V6 = _table(_V6_BLOCKS)
