"""The receipt: written into tags, read back, compared."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import reply
from jobs.grant import DEFAULT
from jobs.model import JobState, Msat
from jobs.receipt import InvalidReceipt, Receipt, differences, input_digest, receipt_for
from relayclient.event import Draft, Event, Tags
from tests.support.requests import DIGEST, NODE, NOW, job_in, request_event, run_report, taken

NUMBER = st.integers(0, (1 << 63) - 1)
HEX = st.binary(min_size=32, max_size=32).map(bytes.hex)
RECEIPTS = st.builds(
    Receipt,
    component=HEX,
    input=HEX,
    output=HEX,
    exit_code=st.integers(0, 1),
    fuel=NUMBER,
    memory_bytes=NUMBER,
    wall_ms=NUMBER,
    grant=NUMBER.map(lambda n: replace(DEFAULT, fuel=n)),
    engine=st.sampled_from(["wasmtime/50.0.1", "other/1"]),
    deterministic=st.booleans(),
    price=NUMBER.map(Msat),
    payment=st.just("free"),
)


def published(tags: Tags) -> Event:
    return NODE.sign(Draft(6850, "", tags, NOW))


@given(RECEIPTS)
@settings(deadline=None)
def test_a_receipt_survives_the_wire(receipt: Receipt) -> None:
    assert Receipt.from_event(published(receipt.to_tags())) == receipt


def test_a_result_holds_the_receipt_of_its_run() -> None:
    job = job_in(JobState.RUNNING, event=request_event(("i", "in", "text")))
    report = run_report(output=b"out", exit_code=1)
    draft = reply.result(job, report, NOW)
    assert draft is not None
    receipt = Receipt.from_event(NODE.sign(draft))
    assert receipt == receipt_for(job, report)
    assert receipt.component == DIGEST
    assert receipt.output == hashlib.sha256(b"out").hexdigest()
    assert receipt.input == input_digest(job.request)
    assert (receipt.exit_code, receipt.fuel, receipt.memory_bytes, receipt.wall_ms) == (1, 7, 65_536, 3)
    assert (receipt.grant, receipt.price, receipt.payment) == (DEFAULT, 0, "free")


WHOLE = receipt_for(job_in(JobState.RUNNING), run_report()).to_tags()


@pytest.mark.parametrize("at", range(len(WHOLE)), ids=lambda n: "-".join((WHOLE[n][0], *WHOLE[n][2:])))
def test_a_receipt_without_one_of_its_tags_is_none(at: int) -> None:
    with pytest.raises(InvalidReceipt, match="is missing"):
        Receipt.from_event(published(WHOLE[:at] + WHOLE[at + 1 :]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("x", value) for value in ("", "ab", DIGEST.upper(), DIGEST + "00")),
        *(("fuel", value) for value in ("", "-1", "1.0", "٣", "9" * 21, "9" * 5000)),
        *(("exit", value) for value in ("zero", " 1")),
        *(("grant", value) for value in ("", "{}", "[]", "{", "[" * 5000, '{"fuel":1e999}', json.dumps({"fuel": 1}))),
        *(("grant", json.dumps({**DEFAULT.to_wire(), "fuel": fuel})) for fuel in (-1, 1.5, "1", None, True, 1 << 63)),
        *(("deterministic", value) for value in ("", "True", "yes")),
    ],
)
def test_a_receipt_with_nonsense_in_it_is_none(name: str, value: str) -> None:
    tags = tuple((tag[0], value, *tag[2:]) if tag[0] == name else tag for tag in WHOLE)
    with pytest.raises(InvalidReceipt):
        Receipt.from_event(published(tags))


@given(st.lists(st.lists(st.sampled_from(["x", "component", "fuel", "grant", "exit", "", "{}", DIGEST]), min_size=1)))
@settings(deadline=None)
def test_no_tags_make_the_reader_raise_anything_else(tags: list[list[str]]) -> None:
    with pytest.raises(InvalidReceipt):
        Receipt.from_event(published(tuple(map(tuple, tags))))


# What the input digest covers


def test_the_input_digest_covers_everything_that_decides_the_output() -> None:
    variants = [
        request_event(),
        request_event(("param", "arg", "a")),
        request_event(("param", "arg", "a"), ("param", "arg", "b")),
        request_event(("param", "arg", "ab")),
        request_event(("param", "env", "A", "b")),
        request_event(("param", "env", "B", "b"), ("param", "env", "A", "b")),
        request_event(("param", "env", "A", "b"), ("param", "env", "B", "b")),
        request_event(content="in"),
        request_event(created_at=NOW + 1),
        request_event(("param", "seed", "00" * 32)),
    ]
    assert len({input_digest(taken(event)) for event in variants}) == len(variants)


def test_the_input_digest_ignores_what_does_not() -> None:
    seed = ("param", "seed", "00" * 32)
    digests = {
        input_digest(taken(request_event(seed, *tags)))
        for tags in ([], [("bid", "1")], [("param", "fuel", "1")], [("relays", "wss://r.example")], [("output", "x")])
    }
    assert len(digests) == 1


def test_the_same_input_in_another_spelling_has_the_same_digest() -> None:
    seed = ("param", "seed", "00" * 32)
    plain = request_event(seed, content="hello")
    coded = request_event(seed, ("i", "aGVsbG8=", "text"), ("encoding", "base64"))
    assert input_digest(taken(plain)) == input_digest(taken(coded))


# Comparing two runs


def test_a_second_run_that_agrees_has_no_differences() -> None:
    stated = receipt_for(job_in(JobState.RUNNING), run_report(output=b"out"))
    again = replace(stated, wall_ms=999, memory_bytes=1, engine="other/2", price=Msat(5))
    assert differences(stated, again) == []


@pytest.mark.parametrize(
    ("name", "value"), [("component", "0"), ("input", "0"), ("output", "0"), ("exit_code", 9), ("fuel", 9)]
)
def test_a_second_run_that_does_not_is_told_apart(name: str, value: object) -> None:
    stated = receipt_for(job_in(JobState.RUNNING), run_report(output=b"out"))
    again = replace(stated, **{name: value})  # type: ignore[arg-type]
    assert differences(stated, again) == [f"{name}: stated {getattr(stated, name)}, got {value}"]


def test_fuel_is_comparable_within_one_version_of_the_engine_only() -> None:
    stated = replace(receipt_for(job_in(JobState.RUNNING), run_report()), engine="wasmtime/50.0.1", fuel=5)
    for engine in ("wasmtime/50.0.1", "wasmtime/50.0.1+pulley"):
        assert differences(stated, replace(stated, engine=engine, fuel=6)) == ["fuel: stated 5, got 6"]
        assert differences(replace(stated, engine=engine), replace(stated, fuel=6)) == ["fuel: stated 5, got 6"]
    assert differences(stated, replace(stated, engine="wasmtime/50.0.2+pulley", fuel=6)) == []
