"""Terms, one error, or silence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import admission
from jobs.admission import Declines, Policy, Standing, consider, granted
from jobs.grant import CEILING, DEFAULT, MIB, Grant
from jobs.model import Msat, Offer
from jobs.request import Ask, JobRequest, Malformed, NotOurs
from tests.support.requests import NODE, NOW, read, request_event

POLICY = Policy()


def considered(
    *tags: tuple[str, ...],
    created_at: int = NOW,
    content: str = "",
    policy: Policy = POLICY,
    standing: Standing = Standing(0, 0),  # noqa: B008 (frozen)
) -> Offer | Malformed | NotOurs:
    request = read(request_event(*tags, created_at=created_at, content=content))
    assert isinstance(request, JobRequest | Malformed)
    return consider(created_at, request, policy, standing, NOW)


def test_a_request_that_asks_for_nothing_gets_the_default_for_free() -> None:
    assert considered() == Offer(Msat(0), DEFAULT, NOW + POLICY.patience_s)


def test_the_deadline_is_the_earlier_of_patience_and_expiration() -> None:
    soon, late = considered(("expiration", str(NOW + 5))), considered(("expiration", str(NOW + 5000)))
    assert isinstance(soon, Offer)
    assert isinstance(late, Offer)
    assert (soon.deadline, late.deadline) == (NOW + 5, NOW + POLICY.patience_s)


SMALL_INPUT = Policy(default=replace(DEFAULT, input_bytes=64))


@pytest.mark.parametrize(
    ("tags", "more", "code", "sentence"),
    [
        ([("expiration", str(NOW))], {}, "expired", "publish it again with a later expiration"),
        ([("expiration", "0")], {}, "expired", "had expired when it arrived"),
        ([], {"created_at": NOW + 901}, "created-in-future", "check the clock"),
        ([], {"created_at": NOW + 86_400}, "created-in-future", "check the clock"),
        ([], {"content": "x" * 65, "policy": SMALL_INPUT}, "input-too-large", "stdin has 65 bytes; at most 64"),
        ([], {"standing": Standing(1_000, 0)}, "busy", "the queue is full; try again later"),
        ([], {"standing": Standing(100, 100)}, "busy", "you have 100 unfinished jobs here"),
        ([("bid", "x")], {}, "bad-param", "the tag bid"),
    ],
)
def test_one_error(tags: list[tuple[str, ...]], more: dict[str, Any], code: str, sentence: str) -> None:
    told = considered(*tags, **more)
    assert isinstance(told, Malformed)
    assert told.code == code
    assert sentence in told.sentence


@pytest.mark.parametrize(
    ("tags", "more"),
    [
        ([("expiration", str(NOW + 1))], {}),
        ([], {"created_at": NOW + 900}),
        ([], {"created_at": NOW - 86_400}),
        ([], {"content": "x" * 64, "policy": SMALL_INPUT}),
        ([], {"standing": Standing(999, 99)}),
        ([("bid", "0")], {}),
        ([("p", NODE.public)], {"policy": Policy(open_jobs=False)}),
    ],
)
def test_the_last_value_that_is_still_taken(tags: list[tuple[str, ...]], more: dict[str, Any]) -> None:
    assert isinstance(considered(*tags, **more), Offer)


def test_a_bid_below_the_price_is_declined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "quote", lambda grant: Msat(5_000))
    told = considered(("bid", "4999"))
    assert told == Malformed("price-too-low", "the price is 5000 msat, the bid is 4999")
    assert considered(("bid", "5000")) == considered() == Offer(Msat(5_000), DEFAULT, NOW + POLICY.patience_s)


@pytest.mark.parametrize("tags", [[], [("bid", "x")], [("expiration", "0")]])
def test_what_is_too_old_or_not_meant_for_us_gets_no_answer_however_wrong(tags: list[tuple[str, ...]]) -> None:
    assert considered(*tags, created_at=NOW - 86_401) == NotOurs("too old")
    assert considered(*tags, created_at=NOW + 86_401) == NotOurs("too far ahead")
    assert considered(*tags, policy=Policy(open_jobs=False)) == NotOurs("open jobs are off")


def test_an_error_goes_where_the_customer_listens() -> None:
    told = considered(("expiration", "0"), ("relays", "wss://r.example"), ("p", NODE.public))
    assert isinstance(told, Malformed)
    assert (told.relays, told.addressed) == (("wss://r.example",), True)


def test_what_was_asked_for_is_granted() -> None:
    grant = granted(Ask(fuel=5, memory_bytes=MIB, wall_ms=7), POLICY)
    assert grant == replace(DEFAULT, fuel=5, memory_bytes=MIB, wall_ms=7)


WANTED = st.none() | st.integers(1, (1 << 63) - 1)
LIMIT = st.integers(0, (1 << 63) - 1)
GRANTS = st.builds(
    Grant, fuel=LIMIT, memory_bytes=LIMIT, wall_ms=LIMIT, input_bytes=LIMIT, output_bytes=LIMIT, log_bytes=LIMIT
)


@given(st.builds(Ask, fuel=WANTED, memory_bytes=WANTED, wall_ms=WANTED), GRANTS, GRANTS)
def test_nothing_is_granted_above_the_ceiling_or_above_what_was_asked(ask: Ask, ceiling: Grant, default: Grant) -> None:
    grant = granted(ask, Policy(ceiling=ceiling, default=default))
    assert grant.within(ceiling)
    for name in ("fuel", "memory_bytes", "wall_ms"):
        asked = getattr(ask, name)
        assert getattr(grant, name) <= (getattr(default, name) if asked is None else asked)


def test_the_ceiling_itself_can_be_had() -> None:
    ask = Ask(fuel=CEILING.fuel, memory_bytes=CEILING.memory_bytes, wall_ms=CEILING.wall_ms)
    assert granted(ask, Policy(default=CEILING)) == CEILING


def test_errors_are_counted_by_the_hour() -> None:
    declines = Declines(Policy(declines_per_customer_max=2, declines_max=3))
    hour = 3_600 * 1_000
    assert [declines.afford("a", hour + n) for n in (0, 1, 2)] == [True, True, False]
    assert [declines.afford("b", hour + n) for n in (3, 4)] == [True, False]  # all together
    assert declines.afford("a", hour + 3_600)
