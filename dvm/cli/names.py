"""Written forms of event ids (NIP-19): 64 hex digits, `note1...`, `nevent1...`."""

from __future__ import annotations

import re

from pynostr import bech32

TEXT_MAX = 2_000
_HEX64 = re.compile(r"[0-9a-f]{64}")
_ID = 0
"""The type of the TLV entry of an nevent that holds the id."""


def event_id(text: str) -> str | None:
    """The id as 64 hex digits; None when the text is no written form of one."""
    text = text.removeprefix("nostr:")
    if _HEX64.fullmatch(text.lower()):
        return text.lower()
    if len(text) > TEXT_MAX or not text.startswith(("note1", "nevent1")):
        return None
    prefix, words, encoding = bech32.bech32_decode(text)
    raw = bech32.convertbits(words, 5, 8, False) if encoding is bech32.Encoding.BECH32 else None
    if raw is None:
        return None
    if prefix == "note":
        return bytes(raw).hex() if len(raw) == 32 else None
    return _entry(bytes(raw), _ID)


def _entry(raw: bytes, wanted: int) -> str | None:
    """The first entry of this type, if it has 32 bytes. Entries are type, length, value."""
    at = 0
    while at + 2 <= len(raw):
        kind, length = raw[at], raw[at + 1]
        if kind == wanted:
            value = raw[at + 2 : at + 2 + length]
            return value.hex() if len(value) == length == 32 else None
        at += 2 + length
    return None
