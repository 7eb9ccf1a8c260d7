from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayclient import tags
from relayclient.event import Tags

TAGS: Tags = (
    ("p", "one", "hint"),
    ("x",),
    ("p", "two"),
    ("relays", "a", "b"),
    ("relays", "c"),
    ("expiration", "17"),
    ("",),
)


def test_reading() -> None:
    assert tags.first(TAGS, "p") == "one"
    assert tags.first(TAGS, "x") == ""
    assert tags.first(TAGS, "nothing") is None
    assert tags.values(TAGS, "p") == ("one", "two")
    assert tags.values(TAGS, "x") == ()
    assert tags.all_values(TAGS, "relays") == ("a", "b", "c")
    assert tags.rows(TAGS, "p") == (("p", "one", "hint"), ("p", "two"))
    assert tags.has(TAGS, "x")
    assert tags.has(TAGS, "")
    assert not tags.has(TAGS, "one")
    assert tags.expiration(TAGS) == 17
    assert tags.expiration(()) is None
    assert tags.first_number(TAGS, "p") is None


def test_elements_beyond_the_end_are_empty() -> None:
    assert [tags.at(("i", "data", "text"), i) for i in range(5)] == ["i", "data", "text", "", ""]


@pytest.mark.parametrize("text", ["0", "7", "0017", "9" * 18])
def test_numbers(text: str) -> None:
    assert tags.number(text) == int(text)


@pytest.mark.parametrize(
    "text", [None, "", " 1", "1 ", "+1", "-1", "1_0", "1.0", "0x1", "\u0661", "²", "9" * 19, "9" * 5000]
)
def test_what_is_no_number(text: str | None) -> None:
    assert tags.number(text) is None


NAMES = st.sampled_from(["p", "e", "", "relays"])


@given(st.lists(st.lists(NAMES, min_size=1, max_size=3).map(tuple)).map(tuple), NAMES)
def test_the_getters_agree(given_tags: Tags, name: str) -> None:
    rows = tags.rows(given_tags, name)
    assert tags.has(given_tags, name) == bool(rows)
    assert tags.first(given_tags, name) == (tags.at(rows[0], 1) if rows else None)
    assert tags.values(given_tags, name) == tuple(row[1] for row in rows if len(row) > 1)
    assert tags.all_values(given_tags, name) == sum((row[1:] for row in rows), ())
