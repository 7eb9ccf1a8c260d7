"""Grants narrow and never widen."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.grant import CEILING, DEFAULT, Grant

NAMES = [f.name for f in fields(Grant)]
GRANTS = st.builds(Grant, **{name: st.integers(0, (1 << 63) - 1) for name in NAMES})


@given(GRANTS, GRANTS, GRANTS)
def test_the_order_in_which_grants_are_combined_does_not_matter(a: Grant, b: Grant, c: Grant) -> None:
    assert a.meet(b) == b.meet(a)
    assert a.meet(b).meet(c) == a.meet(b.meet(c))
    assert a.meet(a) == a


@given(GRANTS, GRANTS)
def test_combining_can_only_narrow(a: Grant, b: Grant) -> None:
    met = a.meet(b)
    assert met.within(a)
    assert met.within(b)
    assert all(getattr(met, name) in (getattr(a, name), getattr(b, name)) for name in NAMES)


@given(GRANTS, st.sampled_from(NAMES))
def test_one_limit_that_is_wider_is_not_within(a: Grant, name: str) -> None:
    wire = a.to_wire()
    if wire[name] < (1 << 63) - 1:
        assert not Grant.from_wire({**wire, name: wire[name] + 1}).within(a)


@given(GRANTS)
def test_a_grant_survives_the_wire(a: Grant) -> None:
    assert Grant.from_wire(a.to_wire()) == a


@pytest.mark.parametrize(
    "wrong",
    [
        *(None, [], "x", 1, {}),
        {**DEFAULT.to_wire(), "extra": 1},
        {name: value for name, value in DEFAULT.to_wire().items() if name != "fuel"},
        *({**DEFAULT.to_wire(), "fuel": value} for value in (-1, 1 << 63, True, 1.0, "1", None)),
    ],
)
def test_a_grant_with_an_open_or_impossible_limit_does_not_exist(wrong: Any) -> None:
    with pytest.raises(ValueError, match="grant: "):
        Grant.from_wire(wrong)


def test_what_is_given_unasked_is_within_what_can_be_given() -> None:
    assert DEFAULT.within(CEILING)
