"""From this machine to relays, as a customer: keys, gate, network."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

from dvm.cli.terminal import USAGE, Trouble
from dvm.client import Network
from dvm.gate import Gate, GatePolicy
from dvm.node import relay_dial
from relayclient.clock import SystemClock
from relayclient.errors import InvalidKey
from relayclient.keys import SecretKey, parse_npub

LOOPBACK = ("127.0.0.1", "::1")
HEX = frozenset("0123456789abcdef")


def gate(*, local: bool) -> Gate:
    """The customer's gate: the same walls as the node's."""
    return Gate(GatePolicy(local=frozenset(LOOPBACK if local else ())))


def network(relays: tuple[str, ...], through: Gate) -> Network:
    """The way to these relays."""
    return Network(dial=relay_dial(through), clock=SystemClock(), rng=Random(os.urandom(16)), relays=relays)


def public_key(text: str) -> str:
    """An npub or 64 hex digits, as hex."""
    try:
        return text.lower() if len(text) == 64 and not set(text.lower()) - HEX else parse_npub(text)
    except InvalidKey as error:
        raise Trouble(f"--to: {error.detail}", USAGE) from None


def secret_key(path: Path) -> SecretKey:
    """The key in a file: an nsec or 64 hex digits. The file's content is never shown."""
    try:
        text = path.read_text(encoding="ascii").strip()
        return SecretKey.from_nsec(text) if text.startswith("nsec1") else SecretKey.from_hex(text)
    except InvalidKey as error:
        raise Trouble(f"{path}: {error.detail}", USAGE) from None
    except (OSError, ValueError):
        raise Trouble(f"{path}: no key can be read there", USAGE) from None
