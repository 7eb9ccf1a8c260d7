"""Signed events for tests: three people with fixed keys, deterministic signatures, everything else by argument."""

from __future__ import annotations

from relayclient.event import Draft, Event, Tags
from relayclient.keys import SecretKey

ALICE = SecretKey(bytes([1]) * 32)
BOB = SecretKey(bytes([2]) * 32)
CAROL = SecretKey(bytes([3]) * 32)

T0 = 1_700_000_000
"""The time at which tests happen, in unix seconds."""


def signed(
    content: str = "", *, kind: int = 5850, tags: Tags = (), created_at: int = T0, by: SecretKey = ALICE
) -> Event:
    return by.sign(Draft(kind, content, tags, created_at))
