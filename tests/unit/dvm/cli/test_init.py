"""The configuration that `dvm init` writes is the configuration that `dvm run` reads."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

from dvm.cli.init import COMMENTS, LOCAL, render
from dvm.config import Config, NetworkSection, NodeSection, parse

RELAYS = ("wss://a.example", "ws://127.0.0.1:7777")


def test_what_was_chosen_is_in_force_and_the_rest_is_default() -> None:
    config = parse(tomllib.loads(render(RELAYS, LOCAL)), Path("config.toml"))
    assert config == Config(node=NodeSection(relays=RELAYS), network=NetworkSection(local=LOCAL))


def test_without_local_nothing_on_this_machine_is_permitted() -> None:
    assert parse(tomllib.loads(render(RELAYS, ())), Path("config.toml")).network.local == ()


def test_every_comment_shows_the_default_that_is_in_force() -> None:
    """Uncommenting every key changes nothing: the file cannot promise a default that the program does not have."""
    uncommented = re.sub(r"^# (\w+ = )", r"\1", render(RELAYS, LOCAL), flags=re.MULTILINE)
    table = tomllib.loads(uncommented)
    keys = {f"{section}.{key}" for section, keys in table.items() for key in keys}
    config = Config()
    known = {f"{s.name}.{key.name}" for s in fields(config) for key in fields(getattr(config, s.name))}
    assert keys == known
    assert parse(table, Path("x")) == parse(tomllib.loads(render(RELAYS, LOCAL)), Path("x"))


def test_every_key_has_a_comment_of_its_own() -> None:
    config = Config()
    sections = {s.name for s in fields(config)}
    assert set(COMMENTS) == sections | {
        f"{s.name}.{key.name}" for s in fields(config) for key in fields(getattr(config, s.name))
    }
