from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayclient.event import Event
from relayclient.filters import Filter
from tests.support.events import ALICE, BOB, T0, signed

EVENT = signed(kind=5850, tags=(("p", BOB.public, "hint"), ("p", "other"), ("t", "wasm"), ("empty",)), by=ALICE)


@pytest.mark.parametrize(
    "f",
    [
        Filter(),
        Filter(kinds=(1, 5850)),
        Filter(ids=(EVENT.id,)),
        Filter(authors=(BOB.public, ALICE.public)),
        Filter(since=T0, until=T0),
        Filter(tags={"p": ("x", "other"), "t": ("wasm",)}),
        Filter(limit=0),
    ],
)
def test_matching(f: Filter) -> None:
    assert f.matches(EVENT)


@pytest.mark.parametrize(
    "f",
    [
        Filter(kinds=(1,)),
        Filter(ids=("0" * 64,)),
        Filter(authors=(BOB.public,)),
        Filter(since=T0 + 1),
        Filter(until=T0 - 1),
        Filter(tags={"p": ("hint",)}),
        Filter(tags={"p": (BOB.public,), "e": ("x",)}),
        Filter(tags={"t": ("was",)}),
        Filter(kinds=(5850,), authors=(BOB.public,)),
    ],
)
def test_not_matching(f: Filter) -> None:
    assert not f.matches(EVENT)


def test_a_tag_without_value_matches_no_value() -> None:
    assert not Filter(tags={"t": ("",)}).matches(signed(tags=(("t",),)))
    assert Filter(tags={"t": ("",)}).matches(signed(tags=(("t", ""),)))


def test_on_the_wire() -> None:
    f = Filter(
        ids=("a",), authors=("b",), kinds=(5, 7000), tags={"p": ("c", "d"), "E": ("e",)}, since=0, until=2, limit=0
    )
    assert f.to_wire() == {
        "ids": ["a"],
        "authors": ["b"],
        "kinds": [5, 7000],
        "#p": ["c", "d"],
        "#E": ["e"],
        "since": 0,
        "until": 2,
        "limit": 0,
    }
    assert Filter().to_wire() == {}


def test_filters_that_mean_nothing_do_not_exist() -> None:
    with pytest.raises(ValueError, match="empty"):
        Filter(kinds=())
    with pytest.raises(ValueError, match="empty"):
        Filter(tags={"p": ()})
    for name in ("", "pp", "1", "é", "#"):
        with pytest.raises(ValueError, match="one letter"):
            Filter(tags={name: ("x",)})


TIMES = st.none() | st.integers(0, 10)


@given(TIMES, TIMES, TIMES, TIMES, st.integers(0, 10))
def test_narrowing_is_matching_both(
    since: int | None, until: int | None, later: int | None, earlier: int | None, at: int
) -> None:
    event = Event("", "", at, 1, (), "", "")
    one, other = Filter(since=since, until=until), Filter(since=later, until=earlier)
    assert one.between(later, earlier).matches(event) == (one.matches(event) and other.matches(event))


def test_the_wire_form_is_json() -> None:
    assert json.loads(json.dumps(Filter(kinds=(1,), tags={"t": ("é",)}).to_wire())) == {"kinds": [1], "#t": ["é"]}
