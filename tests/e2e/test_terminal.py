"""What a person sees: questions, progress, colours, pictures, and no control character of a stranger."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import DVM, RunningNode, environment, new_home, running
from tests.support.guests import guest
from tests.support.relays import local_relay
from tests.support.terminals import on_terminal

EXAMPLES = Path(__file__).parents[2] / "examples"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def relay() -> Iterator[str]:
    with local_relay() as url:
        yield url


@pytest.fixture(scope="module")
def node(relay: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with running(new_home(tmp_path_factory.mktemp("node") / "home", relay)) as node:
        yield node


def screen(*words: str | Path, **more: str) -> tuple[int, str]:
    return on_terminal([DVM, *words], environment(TERM="xterm", **more))


def test_a_result_with_escapes_cannot_touch_the_terminal(relay: str, node: RunningNode) -> None:
    evil = "before\x1b[2J\x1b]0;title\x07\x9b31mafter"
    words = ("submit", "--relay", relay, "--local", "--component", EXAMPLES / "echo" / "echo.wasm", "--text", evil)
    code, seen = screen(*words)
    assert code == 0
    assert "before" in seen
    assert "after" in seen
    assert all(c.isprintable() or c in "\r\n" for c in COLOUR.sub("", seen)), seen


def test_progress_and_a_summary_are_for_people(relay: str, node: RunningNode) -> None:
    words = ("submit", "--relay", relay, "--local", "--component", EXAMPLES / "echo" / "echo.wasm", "--text", "hi")
    _, seen = screen(*words, NO_COLOR="1")
    assert "\x1b" not in seen
    assert "accepted" in seen
    assert re.search(r"exit 0, \d+ fuel, .* by npub1", seen)


def test_a_picture_is_shown_as_one(relay: str, node: RunningNode) -> None:
    thumbnail = EXAMPLES / "thumbnail"
    words = ("submit", "--relay", relay, "--local", "--component", thumbnail / "thumbnail.wasm")
    _, seen = screen(*words, "--stdin", thumbnail / "sample.png", "--", "--width", "30")
    assert seen.count("▀") > 200
    _, plain = screen(*words, "--stdin", thumbnail / "sample.png", "--", "--width", "30", NO_COLOR="1")
    assert "PNG picture, 30 x" in plain


def test_bytes_that_are_no_text_are_described(relay: str, node: RunningNode, tmp_path: Path) -> None:
    component = tmp_path / "chance.wasm"
    component.write_bytes(guest("chance"))
    _, seen = screen("submit", "--relay", relay, "--local", "--component", component)
    assert "36 bytes" in seen


def test_the_demo_in_colour() -> None:
    code, seen = screen("demo")
    assert code == 0
    assert seen.count("▀") > 400
    assert "verified" in seen


def test_init_asks_and_makes_what_was_answered(tmp_path: Path) -> None:
    home = tmp_path / "home"
    typed = [("Relays to use", "wss://a.example wss://b.example\n"), ("[Y/n]", "y\n")]
    code, seen = on_terminal([DVM, "init", "--home", home], environment(TERM="xterm"), typed=typed)
    assert code == 0, seen
    assert 'relays = ["wss://a.example", "wss://b.example"]' in (home / "config.toml").read_text()
    assert "npub1" in seen


def test_init_takes_no_for_an_answer(tmp_path: Path) -> None:
    words: list[str | Path] = [DVM, "init", "--home", tmp_path / "home", "--relay", "wss://a.example"]
    code, seen = on_terminal(words, environment(TERM="xterm"), typed=[("[Y/n]", "n\n")])
    assert code == 1
    assert "nothing was changed" in seen
    assert not (tmp_path / "home").exists()
