"""The configuration file: what is refused, and that what is taken can be worked with."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from dvm.config import NUMBER_MAX, Config, ConfigError, parse
from dvm.node import operators_gate
from jobs.admission import Policy

PATH = Path("config.toml")


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        parse(tomllib.loads(text), PATH)
    return refused.value.problems


def test_an_empty_file_is_the_defaults() -> None:
    assert parse({}, PATH) == Config()
    assert parse({}, PATH).policy() == Policy()


def test_all_problems_are_named_at_once_and_misspellings_with_the_right_word() -> None:
    told = problems('[node]\nslots = "2"\nrelay = []\nopen_jobs = 1\n[jbos]\n[ceiling]\nfuel = 0')
    assert sorted(told) == [
        f"ceiling.fuel must be a number from 1 to {NUMBER_MAX}",
        "node.open_jobs must be true or false, not 1",
        "node.slots must be a whole number, not '2'",
        "unknown key jbos; did you mean jobs?",
        "unknown key node.relay; did you mean node.relays?",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"[ceiling]\nmemory_mib = {NUMBER_MAX + 1}", "ceiling.memory_mib"),
        ("[jobs]\nretention_days = 9007199254740991", "jobs.retention_days"),
        ("[jobs]\nretention_days = 2", "twice jobs.oldest_s"),
        ("[node]\nslots = 257", "node.slots must be at most 256"),
        ("[node]\nkind = 6000", "node.kind"),
        ("[components]\ncache_mib = 127", "8 times components.max_mib"),
        ('[node]\nrelays = ["wss://good.example", "http://x"]', 'node.relays: "http://x": a relay address begins'),
        ("node = 5", "node is a section"),
        ('[network]\nlocal = ["127.0.0.1", 1]', "network.local must be a list of strings"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, said: str) -> None:
    (told,) = problems(text)
    assert said in told


def test_the_largest_numbers_can_be_worked_with() -> None:
    limits = f"fuel = {NUMBER_MAX}\nmemory_mib = {NUMBER_MAX}\ntimeout_ms = {NUMBER_MAX}"
    days = f"[jobs]\nretention_days = {NUMBER_MAX}\npatience_s = {NUMBER_MAX}"
    config = parse(tomllib.loads(f"[ceiling]\n{limits}\n[default]\n{limits}\n{days}"), PATH)
    assert config.policy().ceiling.memory_bytes == NUMBER_MAX << 20
    assert config.jobs.retention_days * 86_400 < 1 << 63


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[network]\nlocal = ["8.8.8.8:80"]', "not a loopback address"),
        ('[components]\nmirrors = ["ftp://mirror.example"]', "must begin with http"),
    ],
)
def test_what_no_gate_can_be_made_of_is_refused_before_the_start(text: str, told: str) -> None:
    config = parse(tomllib.loads(text), PATH)
    with pytest.raises(ConfigError, match=told):
        operators_gate(config, PATH)
