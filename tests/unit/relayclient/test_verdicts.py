from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayclient.verdicts import MAX_TEXT, Verdict, clean, of_ok, of_refusal, prefix


@pytest.mark.parametrize(
    ("accepted", "text", "verdict"),
    [
        (True, "", Verdict.ACCEPTED),
        (True, "duplicate: have it", Verdict.ACCEPTED),
        (True, "blocked: but true is true", Verdict.ACCEPTED),
        (False, "duplicate: exists", Verdict.ACCEPTED),
        (False, "Duplicate: exists", Verdict.ACCEPTED),
        (False, "rate-limited: slow down", Verdict.TRANSIENT),
        (False, "error: no disk", Verdict.TRANSIENT),
        (False, "auth-required: who are you", Verdict.TRANSIENT),
        (False, "", Verdict.TRANSIENT),
        (False, "no", Verdict.TRANSIENT),
        (False, "a sentence: with a colon", Verdict.TRANSIENT),
        (False, "invalid: bad event id", Verdict.REFUSED),
        (False, "blocked: event size", Verdict.REFUSED),
        (False, "restricted: paying members only", Verdict.REFUSED),
        (False, "pow: 20 bits", Verdict.REFUSED),
        (False, "mute: nobody listens", Verdict.REFUSED),
        (False, " INVALID : x", Verdict.REFUSED),
        (False, "invalid", Verdict.TRANSIENT),
    ],
)
def test_of_ok(accepted: bool, text: str, verdict: Verdict) -> None:
    assert of_ok(accepted, text) is verdict


def test_a_refusal_is_never_success() -> None:
    assert of_refusal("duplicate: x") is Verdict.TRANSIENT
    assert of_refusal("unsupported: filter") is Verdict.REFUSED


def test_prefix() -> None:
    assert prefix("pow: x: y") == "pow"
    assert prefix("pow") == ""
    assert prefix("x" * MAX_TEXT + ":") == ""


@given(st.text() | st.text(alphabet="\x1b[0m\n\r\u202e\ud800 ab"))
def test_clean_text_fits_a_line_of_a_terminal(text: str) -> None:
    cleaned = clean(text * 50)
    assert len(cleaned) <= MAX_TEXT
    assert cleaned == "" or cleaned.isprintable()
    assert clean(cleaned) == cleaned
    cleaned.encode()
