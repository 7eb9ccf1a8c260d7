"""The section [sandbox]: what may stand there is what the sandbox understands."""

from __future__ import annotations

from pathlib import Path

import pytest

from dvm.config import ENGINES, TIERS, Config, ConfigError, parse
from dvm.sandbox import Tier, form


def test_both_sides_know_the_same_words() -> None:
    assert ENGINES == form.CHOICES
    assert tuple(tier.value for tier in Tier) == TIERS


def test_defaults() -> None:
    assert (Config().sandbox.engine, Config().sandbox.lowest_tier) == ("auto", "C")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("engine", "winch", "sandbox.engine must be one of auto, native, pulley"),
        ("engine", "Pulley", "sandbox.engine must be one of"),
        ("lowest_tier", "c", "sandbox.lowest_tier must be one of A, B, C, D"),
        ("lowest_tier", "", "sandbox.lowest_tier must be one of"),
        ("lowest_tier", 3, "sandbox.lowest_tier must be a text"),
        ("lowest", "C", "did you mean sandbox.lowest_tier"),
    ],
)
def test_other_words_are_refused(key: str, value: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse({"sandbox": {key: value}}, Path("config.toml"))
