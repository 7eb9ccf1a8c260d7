from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayclient.errors import InvalidEvent, Reason
from relayclient.event import MAX_CREATED_AT, MAX_EVENT_BYTES, MAX_KIND, MAX_TAGS, Draft, Event, Tags
from relayclient.keys import SecretKey
from tests.support.events import ALICE, BOB, T0, signed

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "nostr_events.json").read_text())

GOOD = signed("hello", tags=(("p", BOB.public), ("i", "text", "text", "", "stdin")))


def wire() -> dict[str, Any]:
    return copy.deepcopy(GOOD.to_wire())


def refusal(obj: object) -> Reason:
    with pytest.raises(InvalidEvent) as e:
        Event.from_wire(obj)
    return e.value.reason


def json_refusal(data: str | bytes) -> Reason:
    with pytest.raises(InvalidEvent) as e:
        Event.from_json(data)
    return e.value.reason


# Official vectors


@pytest.mark.parametrize("vector", VECTORS["made_here"], ids=lambda v: v["note"][:30])
def test_ids_and_signatures_of_awkward_texts(vector: dict[str, Any]) -> None:
    event = vector["event"]
    if "\0" in event["content"]:
        assert refusal(event) is Reason.NUL
        return
    parsed = Event.from_wire(event)
    draft = Draft(parsed.kind, parsed.content, parsed.tags, parsed.created_at)
    assert draft.id_for(parsed.pubkey) == event["id"]
    assert SecretKey((3).to_bytes(32, "big")).sign(draft, bytes(32)) == parsed


@pytest.mark.parametrize("vector", VECTORS["published"], ids=lambda v: v["event"]["id"][:8])
def test_published_events_are_accepted_and_keep_every_field(vector: dict[str, Any]) -> None:
    event = Event.from_wire(vector["event"])
    assert event.to_wire() == vector["event"]
    assert Event.from_json(json.dumps(vector["event"])) == event


# Every defect has its own reason


def without(field: str) -> Callable[[dict[str, Any]], Any]:
    return lambda e: e.pop(field)


def having(**fields: object) -> Callable[[dict[str, Any]], Any]:
    return lambda e: e.update(fields)


OFF_CURVE = "eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34"

DEFECTS: list[tuple[Callable[[dict[str, Any]], Any], Reason]] = [
    *((without(f.name), Reason.MISSING_FIELD) for f in dataclasses.fields(Event)),
    *((having(**{f.name: None}), Reason.WRONG_TYPE) for f in dataclasses.fields(Event)),
    (having(id=1), Reason.WRONG_TYPE),
    (having(created_at=1.0), Reason.WRONG_TYPE),
    (having(created_at=str(T0)), Reason.WRONG_TYPE),
    (having(kind=5850.0), Reason.WRONG_TYPE),
    (having(kind="5850"), Reason.WRONG_TYPE),
    (having(content=["hello"]), Reason.WRONG_TYPE),
    (having(tags={}), Reason.WRONG_TYPE),
    (having(tags="[]"), Reason.WRONG_TYPE),
    (having(created_at=True), Reason.BOOLEAN_AS_NUMBER),
    (having(kind=True), Reason.BOOLEAN_AS_NUMBER),
    (having(id=GOOD.id.upper()), Reason.BAD_ID),
    (having(id=GOOD.id[:-1]), Reason.BAD_ID),
    (having(id=GOOD.id + "0"), Reason.BAD_ID),
    (having(id=GOOD.id[:-1] + "g"), Reason.BAD_ID),
    (having(id=GOOD.id[:-1] + "\u0661"), Reason.BAD_ID),
    (having(id=GOOD.id + "\n"), Reason.BAD_ID),
    (having(pubkey=GOOD.pubkey.upper()), Reason.BAD_PUBKEY),
    (having(pubkey="02" + GOOD.pubkey), Reason.BAD_PUBKEY),
    (having(pubkey=""), Reason.BAD_PUBKEY),
    (having(sig=GOOD.sig.upper()), Reason.BAD_SIG),
    (having(sig=GOOD.sig[:-2]), Reason.BAD_SIG),
    (having(sig=GOOD.sig[:64]), Reason.BAD_SIG),
    (having(created_at=-1), Reason.CREATED_AT_OUT_OF_RANGE),
    (having(created_at=MAX_CREATED_AT + 1), Reason.CREATED_AT_OUT_OF_RANGE),
    (having(created_at=2**63), Reason.CREATED_AT_OUT_OF_RANGE),
    (having(kind=-1), Reason.KIND_OUT_OF_RANGE),
    (having(kind=MAX_KIND + 1), Reason.KIND_OUT_OF_RANGE),
    (having(tags=["p"]), Reason.TAG_NOT_A_LIST),
    (having(tags=[{"p": "x"}]), Reason.TAG_NOT_A_LIST),
    (having(tags=[None]), Reason.TAG_NOT_A_LIST),
    (having(tags=[["p"], []]), Reason.EMPTY_TAG),
    (having(tags=[["p", 1]]), Reason.TAG_VALUE_NOT_TEXT),
    (having(tags=[["p", None]]), Reason.TAG_VALUE_NOT_TEXT),
    (having(tags=[["p", ["x"]]]), Reason.TAG_VALUE_NOT_TEXT),
    (having(tags=[["p", {}]]), Reason.TAG_VALUE_NOT_TEXT),
    (having(tags=[["t"]] * (MAX_TAGS + 1)), Reason.TOO_MANY_TAGS),
    (having(content="a\0b"), Reason.NUL),
    (having(tags=[["t", "a\0b"]]), Reason.NUL),
    (having(content="\ud800"), Reason.SURROGATE),
    (having(tags=[["\udfff"]]), Reason.SURROGATE),
    (having(content="x" * (MAX_EVENT_BYTES + 1)), Reason.TOO_LARGE),
    (having(content="é" * (MAX_EVENT_BYTES // 2)), Reason.TOO_LARGE),
    (having(tags=[["t", "x" * MAX_EVENT_BYTES]]), Reason.TOO_LARGE),
    (having(content="hello!"), Reason.ID_MISMATCH),
    (having(id=signed("other").id), Reason.ID_MISMATCH),
    (having(sig=signed("other").sig), Reason.SIGNATURE_MISMATCH),
    (having(sig="0" * 128), Reason.SIGNATURE_MISMATCH),
    (having(sig="f" * 128), Reason.SIGNATURE_MISMATCH),
]


@pytest.mark.parametrize(("spoil", "reason"), DEFECTS, ids=[f"{i}-{r.value}" for i, (_, r) in enumerate(DEFECTS)])
def test_each_defect_is_refused_with_its_reason(spoil: Callable[[dict[str, Any]], Any], reason: Reason) -> None:
    obj = wire()
    spoil(obj)
    assert refusal(obj) is reason


def test_a_key_off_the_curve_is_told_from_a_wrong_signature() -> None:
    draft = Draft(1, "", (), T0)
    obj = {**wire(), "kind": 1, "content": "", "tags": [], "pubkey": OFF_CURVE, "id": draft.id_for(OFF_CURVE)}
    assert refusal(obj) is Reason.PUBKEY_OFF_CURVE


@pytest.mark.parametrize("obj", [None, 1, "x", [], [GOOD.to_wire()], True, b"{}"])
def test_what_is_no_object_is_no_event(obj: object) -> None:
    assert refusal(obj) is Reason.NOT_AN_OBJECT


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", Reason.NOT_JSON),
        ("[", Reason.NOT_JSON),
        (b"\xff", Reason.NOT_UTF8),
        ('{"kind":NaN}', Reason.NOT_FINITE),
        ('{"kind":1e999}', Reason.NOT_FINITE),
        ('{"kind":' + "1" * 5000 + "}", Reason.HUGE_NUMBER),
        ("[" * 60_000, Reason.TOO_MANY_BRACKETS),
        ("[" * 8_000 + "]" * 8_000, Reason.TOO_DEEP),
        (GOOD.to_json()[:-1] + ',"kind":1}', Reason.DUPLICATE_KEY),
        (GOOD.to_json()[:-1] + ',"more":"' + "x" * MAX_EVENT_BYTES + '"}', Reason.TOO_LARGE),
        ("[]", Reason.NOT_AN_OBJECT),
        (GOOD.to_json().replace('"hello"', '"\\ud800"'), Reason.SURROGATE),
        (GOOD.to_json().replace("hello", "\\u0000"), Reason.NUL),
    ],
    ids=lambda x: x.value if isinstance(x, Reason) else ascii(x[:12]),
)
def test_json_poison(data: str | bytes, reason: Reason) -> None:
    assert json_refusal(data) is reason


def test_fields_nip01_does_not_know_are_ignored() -> None:
    assert Event.from_wire({**wire(), "ots": "x", "seen_on": ["y"]}) == GOOD


# Bounds, at the bound and one beyond


def test_the_largest_event_and_one_byte_more() -> None:
    room = MAX_EVENT_BYTES - Draft(1, "", (), T0).wire_size()
    largest = signed("x" * room, kind=1)
    assert len(largest.to_json().encode()) == MAX_EVENT_BYTES
    assert Event.from_json(largest.to_json()) == largest
    with pytest.raises(InvalidEvent) as e:
        signed("x" * (room + 1), kind=1)
    assert e.value.reason is Reason.TOO_LARGE


def test_an_oversized_event_that_someone_else_signed_is_refused() -> None:
    draft = Draft(1, "x" * MAX_EVENT_BYTES, (), T0)
    event_id = draft.id_for(ALICE.public)
    sig = ALICE._sign_digest(bytes.fromhex(event_id), None).hex()
    obj = Event(event_id, ALICE.public, T0, 1, (), draft.content, sig).to_wire()
    assert refusal(obj) is Reason.TOO_LARGE


@pytest.mark.parametrize(("kind", "created_at"), [(0, 0), (MAX_KIND, MAX_CREATED_AT)])
def test_the_ends_of_the_ranges(kind: int, created_at: int) -> None:
    event = signed(kind=kind, created_at=created_at)
    assert Event.from_json(event.to_json()) == event


def test_the_most_tags() -> None:
    event = signed(tags=(("t",),) * MAX_TAGS)
    assert Event.from_json(event.to_json()) == event


# Mutations

POSITIONS = st.integers(0, 127)


@given(st.sampled_from(["id", "pubkey", "sig"]), POSITIONS, st.sampled_from("0123456789abcdef"))
def test_one_changed_hex_digit_is_never_accepted(field: str, position: int, digit: str) -> None:
    obj = wire()
    text = obj[field]
    position %= len(text)
    obj[field] = text[:position] + digit + text[position + 1 :]
    if obj[field] == text:
        assert Event.from_wire(obj) == GOOD
    else:
        refusal(obj)


@given(st.integers(0, MAX_CREATED_AT), st.integers(0, MAX_KIND), st.text())
def test_no_field_can_be_changed(created_at: int, kind: int, content: str) -> None:
    for changed in ({"created_at": created_at}, {"kind": kind}, {"content": content}):
        obj = {**wire(), **changed}
        if obj != wire():
            refusal(obj)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    ),
    st.sampled_from([f.name for f in dataclasses.fields(Event)]),
)
def test_any_json_value_in_any_field_is_refused_as_invalid(value: object, field: str) -> None:
    obj = {**wire(), field: value}
    if value != wire()[field]:
        refusal(obj)


# Round trips

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
TAGS = st.lists(st.lists(TEXT, min_size=1, max_size=5).map(tuple), max_size=8).map(tuple)


@given(TEXT, TAGS, st.integers(0, MAX_KIND), st.integers(0, MAX_CREATED_AT))
def test_what_we_sign_is_what_everybody_reads(content: str, tags: Tags, kind: int, created_at: int) -> None:
    draft = Draft(kind, content, tags, created_at)
    event = ALICE.sign(draft)
    assert event.id == draft.id_for(ALICE.public)
    assert len(event.to_json().encode()) == draft.wire_size()
    assert Event.from_json(event.to_json()) == event
    assert Event.from_json(event.to_json().encode()) == event
    # Escapes and spaces of another writer change nothing.
    assert Event.from_json(json.dumps(event.to_wire(), indent=1)) == event


# Signatures verified before


def test_a_known_signature_is_not_verified_again_but_everything_else_is() -> None:
    known = {GOOD.id: GOOD.sig}
    assert Event.from_wire(wire(), known) == GOOD
    with pytest.raises(InvalidEvent):
        Event.from_wire({**wire(), "content": "forged"}, known)
    with pytest.raises(InvalidEvent):
        Event.from_wire({**wire(), "sig": "0" * 128}, known)


def test_another_valid_signature_of_a_known_event_is_accepted() -> None:
    other = ALICE.sign(Draft(GOOD.kind, GOOD.content, GOOD.tags, GOOD.created_at), b"\7" * 32)
    assert other.sig != GOOD.sig
    assert Event.from_wire(other.to_wire(), {GOOD.id: GOOD.sig}) == other


# Drafts


@pytest.mark.parametrize(
    ("kind", "content", "tags", "created_at", "reason"),
    [
        (-1, "", (), T0, Reason.KIND_OUT_OF_RANGE),
        (True, "", (), T0, Reason.BOOLEAN_AS_NUMBER),
        (1, "a\0", (), T0, Reason.NUL),
        (1, "\ud800", (), T0, Reason.SURROGATE),
        (1, "", (("t", "\ud800"),), T0, Reason.SURROGATE),
        (1, "", ((),), T0, Reason.EMPTY_TAG),
        (1, "", [["t"]], T0, Reason.WRONG_TYPE),
        (1, "", (["t"],), T0, Reason.TAG_NOT_A_LIST),
        (1, "", (("t", 1),), T0, Reason.TAG_VALUE_NOT_TEXT),
        (1, "", (), -1, Reason.CREATED_AT_OUT_OF_RANGE),
        (1, "", (), float(T0), Reason.WRONG_TYPE),
    ],
)
def test_a_draft_nobody_would_accept_does_not_exist(
    kind: Any, content: Any, tags: Any, created_at: Any, reason: Reason
) -> None:
    with pytest.raises(InvalidEvent) as e:
        Draft(kind, content, tags, created_at)
    assert e.value.reason is reason


def test_a_refusal_names_the_reason_and_never_the_input() -> None:
    with pytest.raises(InvalidEvent, match=r"^wrong-type: content$"):
        Event.from_wire({**wire(), "content": 12345})
