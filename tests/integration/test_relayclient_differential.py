"""Ids and signatures against a second implementation: both accept what either signs, both refuse what was changed."""

from __future__ import annotations

import json

import pytest

from relayclient.errors import InvalidEvent
from relayclient.event import Event
from tests.support.events import ALICE, T0, signed

nostr_sdk = pytest.importorskip("nostr_sdk")

TEXTS = [
    "",
    "plain",
    "".join(map(chr, range(1, 32))),
    "\x7f\x80\x9f",
    '"\\/\b\f\n\r\t',
    "</script>\u2028\u2029",
    "é e\u0301 \ufeff \ufffe \uffff",
    "\N{FAMILY} \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0010ffff",
    "\u202eright to left",
    "x" * 60_000,
]


def theirs_accepts(text: str) -> bool:
    try:
        return bool(nostr_sdk.Event.from_json(text).verify())
    except nostr_sdk.NostrSdkError:
        return False


def ours_accepts(text: str) -> bool:
    try:
        Event.from_json(text)
    except InvalidEvent:
        return False
    return True


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_both_accept_what_we_sign(text: str) -> None:
    event = signed(text, tags=(("t", text[:1000]), ("", text[:10])))
    assert theirs_accepts(event.to_json())
    read = nostr_sdk.Event.from_json(event.to_json())
    assert (read.id().to_hex(), read.content()) == (event.id, text)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_both_accept_what_they_sign(text: str) -> None:
    keys = nostr_sdk.Keys.parse(ALICE.nsec())
    made = nostr_sdk.EventBuilder(nostr_sdk.Kind(5850), text).finalize(keys)
    event = Event.from_json(made.as_json())
    assert (event.pubkey, event.content, event.id) == (ALICE.public, text, made.id().to_hex())


@pytest.mark.parametrize("field", ["id", "pubkey", "sig"])
def test_both_refuse_each_changed_digit(field: str) -> None:
    good = signed("x").to_wire()
    text = str(good[field])
    for i in range(0, len(text), 3):
        changed = json.dumps({**good, field: text[:i] + ("1" if text[i] != "1" else "2") + text[i + 1 :]})
        assert not ours_accepts(changed)
        assert not theirs_accepts(changed)


@pytest.mark.parametrize(
    "change",
    [{"content": "y"}, {"kind": 5851}, {"created_at": T0 + 1}, {"tags": [["t"]]}, {"kind": 70_000}, {"tags": 1}],
)
def test_both_refuse_changed_fields(change: dict[str, object]) -> None:
    changed = json.dumps({**signed("x").to_wire(), **change})
    assert not ours_accepts(changed)
    assert not theirs_accepts(changed)
