"""Building requests and reading answers: functions of values, held against the node's own parser and writer."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvm.client import (
    CannotAsk,
    Failure,
    Ignored,
    Progress,
    Result,
    Wish,
    build_request,
    check_request,
    read_answer,
)
from jobs import reply
from jobs.component import ComponentRef
from jobs.model import JobState
from jobs.receipt import receipt_for
from jobs.request import JobRequest
from relayclient.event import Draft, Event
from relayclient.keys import SecretKey
from tests.support.requests import CUSTOMER, DIGEST, NODE, NOW, OTHER, RELAY, job_in, run_report, taken

REF = ComponentRef(DIGEST, None, ())


def asked(wish: Wish) -> JobRequest:
    """The wish as the node reads it."""
    return check_request(CUSTOMER.sign(build_request(wish, NOW)), wish.to)


def answer(draft: Draft | None, key: SecretKey = NODE) -> Event:
    assert draft is not None
    return key.sign(draft)


# Asking


def test_everything_that_can_be_wished_arrives() -> None:
    hints = (f"https://a.example/{DIGEST}.wasm", f"blossom:{DIGEST}.wasm?xs=b.example&sz=5", "server:https://c.example")
    wish = Wish(
        component=ComponentRef(DIGEST, None, hints),
        to=NODE.public,
        stdin=b"in",
        args=("--width", "64", ""),
        env=(("A", "b=c"),),
        fuel=5,
        memory_mib=2,
        timeout_ms=3,
        seed="cd" * 32,
        bid_msat=0,
        expiration=NOW + 9,
        relays=(RELAY,),
    )
    request = asked(wish)
    assert request.component == ComponentRef(DIGEST, 5, hints)
    assert (request.stdin, request.args, request.env) == (b"in", wish.args, wish.env)
    assert (request.ask.fuel, request.ask.memory_bytes, request.ask.wall_ms) == (5, 2 << 20, 3)
    assert (request.seed, request.bid_msat, request.expiration) == (bytes.fromhex("cd" * 32), 0, NOW + 9)
    assert (request.relays, request.addressed) == ((RELAY,), True)


@given(st.binary(max_size=3000) | st.text(max_size=3000).map(str.encode))
def test_any_input_arrives_as_it_was(stdin: bytes) -> None:
    assert asked(Wish(component=REF, stdin=stdin)).stdin == stdin


@given(st.binary(max_size=3000) | st.text(max_size=3000).map(str.encode))
def test_nothing_published_can_harm_a_relay_or_a_terminal(stdin: bytes) -> None:
    draft = build_request(Wish(component=REF, stdin=stdin), NOW)
    values = [draft.content, *(value for tag in draft.tags for value in tag)]
    assert not any((ord(c) < 32 and c not in "\t\n\r") or c == "\x7f" for value in values for c in value)
    assert all(len(tag[1].encode()) <= 1024 for tag in draft.tags if len(tag[0]) == 1)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (Wish(component=REF, stdin=bytes(60_000)), "too large"),
        (Wish(component=REF, stdin=b"a" * 63_900), "too large"),
        (Wish(component=REF, args=("\0",)), "no Nostr event"),
        (Wish(component=REF, args=("\ud800",)), "no Nostr event"),
        (Wish(component=ComponentRef(DIGEST, None, ("https://a.example/" + "a" * 1024,))), "more than 1024 bytes"),
    ],
    ids=["too large", "a little too large", "NUL", "surrogate", "long URL"],
)
def test_what_no_relay_would_take_is_refused_before_it_is_sent(wish: Wish, told: str) -> None:
    with pytest.raises(CannotAsk, match=told):
        build_request(wish, NOW)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (Wish(component=REF, args=("a",) * 65), "bad-param"),
        (Wish(component=REF, seed="x"), "bad-param"),
        (Wish(component=ComponentRef(DIGEST, None, ("https://a.example/" + "cd" * 32,))), "hash-conflict"),
    ],
)
def test_what_no_node_would_take_is_refused_before_it_is_sent(wish: Wish, told: str) -> None:
    with pytest.raises(CannotAsk, match=told):
        asked(wish)


# Reading answers

REQUEST = asked(Wish(component=REF, stdin=b"hello"))
JOB = job_in(JobState.RUNNING, event=REQUEST.event)


def test_a_result_comes_with_its_output_and_receipt() -> None:
    report = run_report(output=b"done\n")
    heard = read_answer(answer(reply.result(JOB, report, NOW)), REQUEST, NODE.public)
    assert isinstance(heard, Result)
    assert heard.output == b"done\n"
    assert heard.receipt == receipt_for(JOB, report)


def test_binary_output_is_decoded() -> None:
    heard = read_answer(answer(reply.result(JOB, run_report(output=b"\0\xff"), NOW)), REQUEST, None)
    assert isinstance(heard, Result)
    assert heard.output == b"\0\xff"


def test_an_error_has_a_code_and_a_sentence() -> None:
    draft = reply.error(REQUEST.event, RELAY, "hash-mismatch", "other bytes", NOW)
    event = answer(draft)
    assert read_answer(event, REQUEST, None) == Failure(event, "hash-mismatch", "other bytes; nothing was charged")


def test_an_error_of_another_make_needs_no_code() -> None:
    tags = (("e", REQUEST.id), ("p", CUSTOMER.public), ("status", "error", "It did not work"))
    event = NODE.sign(Draft(7000, "", tags, NOW))
    assert read_answer(event, REQUEST, None) == Failure(event, "", "It did not work")


def test_processing_is_not_the_end() -> None:
    event = answer(reply.processing(REQUEST, RELAY, NOW))
    assert read_answer(event, REQUEST, None) == Progress(event, "processing", event.content)


def _changed(event: Event, **changes: object) -> Event:
    draft = Draft(event.kind, event.content, event.tags, event.created_at)
    return NODE.sign(replace(draft, **changes))  # type: ignore[arg-type]


def _retagged(event: Event, name: str, *row: tuple[str, ...]) -> Event:
    return _changed(event, tags=(*(tag for tag in event.tags if tag[0] != name), *row))


GOOD = answer(reply.result(JOB, run_report(output=b"done"), NOW))


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (answer(reply.result(JOB, run_report(output=b"done"), NOW), OTHER), "not from the node"),
        (_retagged(GOOD, "e"), "does not name this request"),
        (_retagged(GOOD, "e", ("e", REQUEST.id), ("e", "00" * 32)), "not this one alone"),
        (_changed(GOOD, kind=6851), "another kind"),
        (_changed(GOOD, content="altered"), "another output"),
        (_retagged(GOOD, "fuel"), "no usable receipt"),
        (_retagged(GOOD, "grant", ("grant", "[" * 5000)), "no usable receipt"),
        (_retagged(GOOD, "encoding", ("encoding", "base64")), "no usable receipt|another output"),
        (_retagged(GOOD, "encoding", ("encoding", "zip")), "no usable receipt"),
    ],
)
def test_what_is_no_answer_is_ignored_and_the_reason_told(event: Event, why: str) -> None:
    heard = read_answer(event, REQUEST, NODE.public)
    assert isinstance(heard, Ignored)
    assert re.search(why, heard.why), heard.why


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (Wish(component=ComponentRef("cd" * 32, None, ()), stdin=b"hello"), "another component"),
        (Wish(component=REF, stdin=b"other"), "another input"),
    ],
)
def test_a_receipt_for_something_else_is_ignored(other: Wish, why: str) -> None:
    stranger = job_in(JobState.RUNNING, event=asked(other).event)
    event = _retagged(answer(reply.result(stranger, run_report(), NOW)), "e", ("e", REQUEST.id))
    heard = read_answer(event, REQUEST, NODE.public)
    assert isinstance(heard, Ignored)
    assert why in heard.why


def test_base64_is_what_a_binary_input_travels_in() -> None:
    draft = build_request(Wish(component=REF, stdin=b"\0"), NOW)
    assert (draft.content, ("encoding", "base64") in draft.tags) == (base64.b64encode(b"\0").decode(), True)
    assert hashlib.sha256(taken(CUSTOMER.sign(draft)).stdin).digest() == hashlib.sha256(b"\0").digest()
