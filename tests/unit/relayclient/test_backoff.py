from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from relayclient.backoff import STABLE_S, Backoff, BackoffLimits

LIMITS = BackoffLimits(first_s=1.0, longest_s=300.0)


def test_waits_double_within_their_jitter_up_to_the_longest() -> None:
    backoff = Backoff(LIMITS, Random(1))
    for ceiling in (1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300):
        assert ceiling / 2 <= backoff.lost(0.0) <= ceiling


def test_a_server_that_accepts_and_closes_is_asked_ever_more_rarely() -> None:
    backoff, now, connections = Backoff(LIMITS, Random(1)), 0.0, 0
    while now < 3600:
        backoff.opened(now)
        connections += 1
        now += 0.01 + backoff.lost(now + 0.01)
    assert connections <= 30


def test_eose_resets() -> None:
    backoff = Backoff(LIMITS, Random(1))
    for _ in range(10):
        backoff.lost(0.0)
    backoff.opened(5.0)
    backoff.proved()
    assert backoff.lost(5.1) <= 1.0
    assert 1.0 <= backoff.lost(5.2) <= 2.0


def test_a_stable_minute_resets_and_less_does_not() -> None:
    backoff = Backoff(LIMITS, Random(1))
    for _ in range(10):
        backoff.lost(0.0)
    backoff.opened(100.0)
    assert backoff.lost(100.0 + STABLE_S - 0.1) >= 150.0
    backoff.opened(1000.0)
    assert backoff.lost(1000.0 + STABLE_S) <= 1.0
    # The minute counts once: what never opened again is not stable.
    assert backoff.lost(9999.0) >= 1.0


def test_waits_are_those_of_the_generator_handed_in() -> None:
    one, other = (Backoff(LIMITS, Random(7)) for _ in range(2))
    assert [one.lost(0.0) for _ in range(20)] == [other.lost(0.0) for _ in range(20)]


@given(st.lists(st.sampled_from(["opened", "proved", "lost"]), max_size=200), st.integers())
def test_every_wait_is_within_the_limits(acts: list[str], seed: int) -> None:
    backoff, now = Backoff(LIMITS, Random(seed)), 0.0
    for act in acts:
        now += 10.0
        if act == "opened":
            backoff.opened(now)
        elif act == "proved":
            backoff.proved()
        else:
            assert 0.5 <= backoff.lost(now) <= 300.0
