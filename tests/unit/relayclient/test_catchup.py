"""Catch-up against a model of a relay: it knows some events, and returns the newest so many of those asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayclient.catchup import SHORTEST_CUT, Catchup
from relayclient.event import Event
from relayclient.filters import Filter


def stored(times: list[int], kind: int = 1) -> list[Event]:
    """Unsigned stand-ins: catching up looks at ids, times and kinds only."""
    return [Event(f"{kind}-{i}", "", at, kind, (), "", "") for i, at in enumerate(times)]


def catch_up(
    events: list[Event], filters: list[Filter], *, cap: int, exclusive: bool = False, max_pages: int = 100
) -> tuple[set[str], list[Filter], bool]:
    """What came, what was requested after the first answer, and whether the bound was hit."""
    newest_first = sorted(events, key=lambda e: (-e.created_at, e.id))
    catchup = Catchup(filters, max_pages=max_pages)
    came: set[str] = set()
    pages: list[Filter] = []
    request = filters
    while True:
        answer: list[Event] = []
        for f in request:
            found = [
                e
                for e in newest_first
                if f.matches(e) and not (exclusive and f.until is not None and e.created_at == f.until)
            ]
            answer += found[: min(cap, f.limit if f.limit is not None else cap)]
        for event in answer:
            catchup.saw(event)
            came.add(event.id)
        page = catchup.next_page(finished=False)
        if page is None:
            return came, pages, catchup.cut
        pages.append(page)
        request = [page]


def test_a_short_answer_is_the_whole_answer() -> None:
    events = stored(list(range(SHORTEST_CUT - 1)))
    assert catch_up(events, [Filter()], cap=500) == ({e.id for e in events}, [], False)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("count", [9, 10, 11, 100, 101, 999])
def test_everything_comes_however_the_relay_reads_until(count: int, exclusive: bool) -> None:
    events = stored(list(range(1000, 1000 + count)))
    came, pages, cut = catch_up(events, [Filter()], cap=20, exclusive=exclusive)
    assert came == {e.id for e in events}
    assert not cut
    assert len(pages) <= count // 18 + 2


def test_each_filter_is_paged_for_itself() -> None:
    events = stored(list(range(1000, 1100)), kind=1) + stored(list(range(100)), kind=2) + stored([5], kind=3)
    filters = [Filter(kinds=(1,)), Filter(kinds=(2,)), Filter(kinds=(3,))]
    came, pages, _ = catch_up(events, filters, cap=20)
    assert came == {e.id for e in events}
    assert {page.kinds for page in pages} == {(1,), (2,)}


def test_a_filter_with_a_limit_is_not_paged() -> None:
    came, pages, _ = catch_up(stored(list(range(100))), [Filter(limit=30)], cap=20)
    assert len(came) == 20
    assert pages == []


def test_a_second_with_too_many_events_does_not_hide_older_ones() -> None:
    events = stored([1000] * 50 + [999] * 50 + list(range(100)))
    came, _, _ = catch_up(events, [Filter()], cap=20)
    assert {e.id for e in events if e.created_at < 999} <= came


def test_the_relays_word_that_it_is_all_is_taken() -> None:
    catchup = Catchup([Filter()], max_pages=5)
    for event in stored(list(range(100))):
        catchup.saw(event)
    assert catchup.next_page(finished=True) is None


def test_a_relay_that_repeats_itself_is_not_asked_for_ever() -> None:
    catchup = Catchup([Filter()], max_pages=1000)
    events = stored(list(range(100, 200)))
    for event in events * 3:
        catchup.saw(event)
    assert catchup.next_page(finished=False) is not None
    pages = []
    for _ in range(2):
        for event in events:
            catchup.saw(event)
        pages.append(catchup.next_page(finished=False))
    assert pages[-1] is None


def test_a_relay_that_always_has_more_is_asked_a_bounded_number_of_times() -> None:
    came, pages, cut = catch_up(stored(list(range(10_000))), [Filter()], cap=10, max_pages=7)
    assert cut
    assert len(pages) == 7
    assert len(came) <= 80


@given(st.lists(st.integers(0, 400), unique=True), st.integers(SHORTEST_CUT, 40), st.booleans())
def test_distinct_times_are_never_missed(times: list[int], cap: int, exclusive: bool) -> None:
    events = stored(times)
    came, _, _ = catch_up(events, [Filter()], cap=cap, exclusive=exclusive, max_pages=1000)
    assert came == {e.id for e in events}


@given(st.lists(st.integers(0, 5)), st.integers(SHORTEST_CUT, 20))
def test_it_ends_whatever_the_times(times: list[int], cap: int) -> None:
    _, pages, _ = catch_up(stored(times), [Filter()], cap=cap, max_pages=1000)
    assert len(pages) < 30
