from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayclient.errors import InvalidFrame, Reason
from relayclient.event import Event
from relayclient.filters import Filter
from relayclient.messages import (
    MAX_FRAME_BYTES,
    AuthMessage,
    ClosedMessage,
    EoseMessage,
    EventMessage,
    Message,
    NoticeMessage,
    OkMessage,
    close_frame,
    event_frame,
    parse_relay_frame,
    req_frame,
)
from tests.support.events import signed


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ('["EVENT","s",{"a":1}]', EventMessage("s", {"a": 1})),
        ('["EVENT","s",null,"more"]', EventMessage("s", None)),
        ('["OK","id",true,"duplicate: x"]', OkMessage("id", True, "duplicate: x")),
        ('["OK","id",false]', OkMessage("id", False, "")),
        ('["EOSE","s"]', EoseMessage("s")),
        ('["EOSE","s",["finish"]]', EoseMessage("s", finished=True)),
        ('["EOSE","s",["more",1]]', EoseMessage("s")),
        ('["EOSE","s",{"finish":1}]', EoseMessage("s")),
        ('["CLOSED","s","error: x"]', ClosedMessage("s", "error: x")),
        ('["CLOSED","s"]', ClosedMessage("s", "")),
        ('["NOTICE","text"]', NoticeMessage("text")),
        ('["AUTH","challenge"]', AuthMessage("challenge")),
        (b' [ "EOSE" , "\xc3\xa9" ] ', EoseMessage("é")),
    ],
)
def test_known_messages(frame: str | bytes, message: Message) -> None:
    assert parse_relay_frame(frame) == message


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("", Reason.NOT_JSON),
        (b"\x00\xff", Reason.NOT_UTF8),
        ("[" * 200_000, Reason.TOO_MANY_BRACKETS),
        ("[" * 5_000 + "]" * 5_000, Reason.TOO_DEEP),
        ('["EVENT","s",{"kind":NaN}]', Reason.NOT_FINITE),
        ('["EVENT","s",{"kind":1,"kind":2}]', Reason.DUPLICATE_KEY),
        ('["EVENT","s",{"kind":' + "1" * 5000 + "}]", Reason.HUGE_NUMBER),
        ('{"EVENT":1}', Reason.NOT_A_LIST),
        ('"EVENT"', Reason.NOT_A_LIST),
        ("null", Reason.NOT_A_LIST),
        ("[]", Reason.UNKNOWN_TYPE),
        ("[1]", Reason.UNKNOWN_TYPE),
        ('[["EVENT"]]', Reason.UNKNOWN_TYPE),
        ('["event","s",{}]', Reason.UNKNOWN_TYPE),
        ('["COUNT","s",{"count":1}]', Reason.UNKNOWN_TYPE),
        ('["REQ","s",{}]', Reason.UNKNOWN_TYPE),
        ('["EVENT","s"]', Reason.WRONG_LENGTH),
        ('["EVENT"]', Reason.WRONG_LENGTH),
        ('["OK","id"]', Reason.WRONG_LENGTH),
        ('["EOSE"]', Reason.WRONG_LENGTH),
        ('["NOTICE"]', Reason.WRONG_LENGTH),
        ('["AUTH"]', Reason.WRONG_LENGTH),
        ('["EVENT",1,{}]', Reason.WRONG_TYPE),
        ('["OK","id","true","x"]', Reason.WRONG_TYPE),
        ('["OK","id",1,"x"]', Reason.WRONG_TYPE),
        ('["OK",null,true,"x"]', Reason.WRONG_TYPE),
        ('["OK","id",true,null]', Reason.WRONG_TYPE),
        ('["EOSE",null]', Reason.WRONG_TYPE),
        ('["CLOSED","s",5]', Reason.WRONG_TYPE),
        ('["NOTICE",{}]', Reason.WRONG_TYPE),
    ],
    ids=lambda x: x.value if isinstance(x, Reason) else ascii(x[:20]),
)
def test_anything_else_is_refused_with_its_reason(frame: str | bytes, reason: Reason) -> None:
    with pytest.raises(InvalidFrame) as e:
        parse_relay_frame(frame)
    assert e.value.reason is reason


def test_the_frame_bound_is_exact_and_can_be_set() -> None:
    frame = json.dumps(["NOTICE", "x" * (MAX_FRAME_BYTES - 14)])
    assert len(frame) == MAX_FRAME_BYTES
    assert isinstance(parse_relay_frame(frame), NoticeMessage)
    for too_large, bound in ((frame + " ", MAX_FRAME_BYTES), ('["EOSE","s"]', 11)):
        with pytest.raises(InvalidFrame) as e:
            parse_relay_frame(too_large, max_bytes=bound)
        assert e.value.reason is Reason.TOO_LARGE


FRAGMENTS = st.lists(
    st.sampled_from(['["EVENT"', '"s"', ",", "{", "}", "[", "]", '"OK"', "true", "1e9", "NaN", '"', "\\u", "\ud800"])
)


@given(st.binary() | st.text() | FRAGMENTS.map("".join))
def test_no_frame_raises_anything_else(frame: str | bytes) -> None:
    try:
        parse_relay_frame(frame)
    except InvalidFrame:
        pass


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    ),
    st.sampled_from(["EVENT", "OK", "EOSE", "CLOSED", "NOTICE", "AUTH"]),
)
def test_no_element_raises_anything_else(value: object, kind: str) -> None:
    for message in ([kind, value], [kind, value, value], [kind, "x", value, value], [value]):
        try:
            parse_relay_frame(json.dumps(message))
        except InvalidFrame:
            pass


def test_what_we_write() -> None:
    event = signed("é\n")
    kind, body = json.loads(event_frame(event))
    assert kind == "EVENT"
    assert Event.from_wire(body) == event
    assert json.loads(req_frame("s", [Filter(kinds=(1,)), Filter()])) == ["REQ", "s", {"kinds": [1]}, {}]
    assert close_frame("s") == '["CLOSE","s"]'
