"""One answer out of several failures."""

from __future__ import annotations

import itertools

import pytest

from dvm.components.failure import MAX_NAMED, MOST_TELLING_FIRST, Failure, combine

DIGEST = "ab" * 32


def test_without_sources_there_is_no_source() -> None:
    failed = combine(DIGEST, [])
    assert failed.code == "no-source"
    assert DIGEST[:8] in failed.sentence


@pytest.mark.parametrize(("telling", "other"), [*itertools.combinations(MOST_TELLING_FIRST, 2)])
def test_the_most_telling_code_wins_in_any_order(telling: str, other: str) -> None:
    failures = [Failure("a.example", telling, "did this"), Failure("b.example", other, "did that")]
    for order in (failures, failures[::-1]):
        failed = combine(DIGEST, order)
        assert failed.code == telling
        assert failed.sentence.index("a.example did this") < failed.sentence.index("b.example did that")


def test_a_sentence_names_a_few_sources_and_counts_the_rest() -> None:
    failures = [Failure(f"{n}.example", "not-found", "does not have it") for n in range(MAX_NAMED + 2)]
    sentence = combine(DIGEST, failures).sentence
    assert sentence.count("does not have it") == MAX_NAMED
    assert sentence.endswith("; 2 more failed")


def test_the_same_thing_is_said_once() -> None:
    sentence = combine(DIGEST, [Failure("a.example", "not-found", "does not have it")] * 9).sentence
    assert sentence.count("does not have it") == 1
    assert "more" not in sentence


def test_a_long_host_name_is_cut() -> None:
    assert len(combine(DIGEST, [Failure("a" * 253, "not-found", "does not have it")]).sentence) < 200
