"""What is published about a job: every relay takes it, and every client finds its way in it."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import reply
from jobs.model import Job, JobState
from jobs.outcome import Outcome, RunReport
from jobs.request import NotOurs
from relayclient.event import Draft, Event
from tests.support.requests import (
    CUSTOMER,
    NODE,
    NOW,
    RELAY,
    job_in,
    read,
    request_event,
    run_report,
)

RUNNING = JobState.RUNNING


def result_of(output: bytes, *, event: Event | None = None, **more: Any) -> Draft:
    draft = reply.result(job_in(RUNNING, event=event), run_report(output=output, **more), NOW)
    assert draft is not None
    return draft


def values(draft: Draft, name: str) -> list[tuple[str, ...]]:
    return [tag[1:] for tag in draft.tags if tag[0] == name]


# Results


def test_text_stands_inline() -> None:
    draft = result_of("hällo\n\tworld\r\n".encode())
    assert (draft.kind, draft.content, draft.created_at) == (6850, "hällo\n\tworld\r\n", NOW)
    assert values(draft, "encoding") == []
    assert values(draft, "status") == [("success",)]


@pytest.mark.parametrize("output", [b"\xff", b"a\x00b", b"\x1b[2J", b"\x7f", b"\x08", b"\x0c"])
def test_what_is_not_clean_text_stands_in_base64(output: bytes) -> None:
    draft = result_of(output)
    assert values(draft, "encoding") == [("base64",)]
    assert base64.b64decode(draft.content) == output


def test_an_exit_status_other_than_zero_is_still_a_result() -> None:
    draft = result_of(b"no", exit_code=1)
    assert draft.kind == 6850
    assert values(draft, "status") == [("error", "exit 1")]
    assert values(draft, "exit") == [("1",)]


def test_a_result_repeats_the_request_and_its_inputs() -> None:
    event = request_event(("i", "hello", "text"), ("p", NODE.public))
    draft = result_of(b"hi", event=event)
    assert values(draft, "i") == [("hello", "text")]
    (request,) = values(draft, "request")
    assert Event.from_json(request[0]) == event


def test_the_repeated_request_holds_no_delete_character_and_is_still_the_same_event() -> None:
    event = request_event(content="a\x7fb\x01")
    (request,) = values(result_of(b"hi", event=event), "request")
    assert "\x7f" not in request[0]
    assert Event.from_json(request[0]) == event


@pytest.mark.parametrize("value", ["x" * 1025, "ä" * 513, "a\x7fb", "a\x1bb"])
def test_an_input_that_relays_would_refuse_is_not_repeated(value: str) -> None:
    assert values(result_of(b"hi", event=request_event(("i", value, "text"))), "i") == []


def test_an_input_of_the_longest_indexed_size_is_repeated() -> None:
    assert values(result_of(b"hi", event=request_event(("i", "x" * 1024, "text"))), "i") == [("x" * 1024, "text")]


def test_the_request_is_left_out_when_both_do_not_fit() -> None:
    event = request_event(content="x" * 40_000)
    assert values(result_of(b"y" * 10_000, event=event), "request") != []
    draft = result_of(b"y" * 40_000, event=event)
    assert values(draft, "request") == []
    assert draft.content == "y" * 40_000


def test_an_output_that_fits_into_no_event_has_no_draft() -> None:
    for size in (49_000, 200_000):
        assert reply.result(job_in(RUNNING), run_report(output=b"\xff" * size), NOW) is None


def test_the_log_is_cut_and_made_harmless() -> None:
    draft = result_of(b"", log=b"warn\x1b[31m\xff" + b"x" * 5000)
    ((log,),) = values(draft, "log")
    assert log.startswith("warn?[31m\N{REPLACEMENT CHARACTER}xxx")
    assert len(log) == reply.LOG_MAX


def test_no_log_no_tag() -> None:
    assert values(result_of(b""), "log") == []


# Feedback


def test_an_error_says_the_code_then_a_sentence_then_whether_it_was_charged() -> None:
    draft = reply.error(request_event(), RELAY, "no-hash", "name it", NOW)
    assert draft.kind == 7000
    assert draft.content == "no-hash: name it; nothing was charged"
    assert values(draft, "status") == [("error", draft.content)]


def test_a_long_sentence_is_cut_but_not_what_follows_it() -> None:
    draft = reply.error(request_event(), RELAY, "fetch-failed", "x" * 5000, NOW)
    assert draft.content == "fetch-failed: " + "x" * 1000 + "; nothing was charged"


def test_control_characters_and_halves_of_characters_are_replaced() -> None:
    draft = reply.error(request_event(), RELAY, "trap", "a\x1b\x7f\ud800\0b", NOW)
    assert draft.content == "trap: a????b; nothing was charged"


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.FINISHED], ids=lambda o: o.value)
def test_every_bad_end_has_its_code_and_advice(outcome: Outcome) -> None:
    draft = reply.run_error(job_in(RUNNING), run_report(outcome, detail="at 0x1f"), NOW)
    assert draft.content.startswith(f"{outcome.value}: ")
    assert draft.content.endswith(" (at 0x1f); nothing was charged")


def test_processing() -> None:
    draft = reply.processing(job_in(RUNNING).request, RELAY, NOW)
    assert (draft.kind, values(draft, "status")) == (7000, [("processing", "started; the result follows")])


# Whatever the customer wrote and the component did

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=300)
LONG = st.integers(0, 40_000).map(lambda n: "x" * n)
ODD_TEXT = st.text(st.characters(), max_size=60)
INPUT = st.tuples(st.just("i"), TEXT | LONG, st.just("text"))
OUTPUT = st.binary(max_size=200) | TEXT.map(str.encode) | st.integers(0, 70_000).map(lambda n: b"\xff" * n)


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    tags = [draw(INPUT)] if draw(st.booleans()) else []
    event = request_event(*tags, content="" if tags else draw(TEXT | LONG))
    return job_in(RUNNING, event=event)


REPORTS = st.builds(
    lambda outcome, output, log, detail, code: run_report(outcome, output, code, log=log, detail=detail),
    *(st.sampled_from(Outcome), OUTPUT, st.binary(max_size=2000), ODD_TEXT, st.integers(0, 1)),
)


@given(jobs(), REPORTS)
@settings(max_examples=200, deadline=None)
def test_every_answer_is_one_that_every_relay_takes(job: Job, report: RunReport) -> None:
    drafts = [
        reply.processing(job.request, job.seen_on, NOW),
        reply.error(job.request.event, job.seen_on, "bad-param", report.detail, NOW),
    ]
    if report.outcome is not Outcome.FINISHED:
        drafts.append(reply.run_error(job, report, NOW))
    else:
        result = reply.result(job, report, NOW)
        if result is None:
            assert len(report.output) > 40_000
            drafts.append(reply.run_error(job, reply.without_result(report), NOW))
        else:
            drafts.append(result)
            assert output_of(result) == report.output
    for draft in drafts:
        every_relay_takes(draft, job)


def output_of(result: Draft) -> bytes:
    """As a customer reads it."""
    return base64.b64decode(result.content) if values(result, "encoding") else result.content.encode()


def every_relay_takes(draft: Draft, job: Job) -> None:
    event = NODE.sign(draft)
    text = event.to_json()
    assert len(text.encode()) == draft.wire_size() <= 64_000
    assert Event.from_json(text) == event
    assert values(draft, "e") == [(job.id, RELAY)]
    assert values(draft, "p") == [(CUSTOMER.public,)]
    assert all(len(tag[1].encode()) <= 1024 for tag in draft.tags if len(tag[0]) == 1)
    for value in (draft.content, *(value for tag in draft.tags for value in tag)):
        assert not [c for c in value if (c < " " and c not in "\t\n\r") or c == "\x7f"]


def test_our_own_answers_are_no_requests() -> None:
    for draft in (result_of(b"hi"), reply.processing(job_in(RUNNING).request, RELAY, NOW)):
        assert read(NODE.sign(draft)) == NotOurs("kind")
