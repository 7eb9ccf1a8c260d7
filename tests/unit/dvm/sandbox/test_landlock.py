"""The ruleset handles every right that a Landlock version knows; landlock(7) lists when each came."""

from __future__ import annotations

import struct

import pytest

from dvm.sandbox import landlock


@pytest.mark.parametrize(
    ("abi", "files", "net", "scopes"),
    [
        (1, 0x1FFF, None, None),  # up to MAKE_SYM
        (2, 0x3FFF, None, None),  # REFER
        (3, 0x7FFF, None, None),  # TRUNCATE
        (4, 0x7FFF, 3, None),  # TCP
        (5, 0xFFFF, 3, None),  # IOCTL_DEV
        (6, 0xFFFF, 3, 3),  # abstract sockets, signals
        (9, 0xFFFF, 3, 3),
    ],
)
def test_ruleset(abi: int, files: int, net: int | None, scopes: int | None) -> None:
    numbers = [number for number in (files, net, scopes) if number is not None]
    assert landlock.ruleset(abi) == struct.pack(f"<{len(numbers)}Q", *numbers)
