from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayclient.recent import Recent


def test_the_key_written_longest_ago_is_forgotten() -> None:
    recent: Recent[str, int] = Recent(2)
    recent["a"] = 1
    recent["b"] = 2
    recent["a"] = 3
    recent["c"] = 4
    assert dict(recent) == {"a": 3, "c": 4}
    del recent["a"]
    assert "a" not in recent
    assert recent.get("a") is None


def test_a_memory_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="bound"):
        Recent(0)


@given(st.lists(st.integers(0, 9)), st.integers(1, 5))
def test_it_holds_the_last_distinct_keys(keys: list[int], bound: int) -> None:
    recent: Recent[int, int] = Recent(bound)
    for i, key in enumerate(keys):
        recent[key] = i
    last = list(dict.fromkeys(reversed(keys)))[:bound]
    assert list(recent) == last[::-1]
    assert len(recent) <= bound
