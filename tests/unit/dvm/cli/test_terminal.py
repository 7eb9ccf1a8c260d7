"""Nothing that strangers write reaches a terminal as a control character; colours appear on terminals only."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvm.cli.showing import output_lines
from dvm.cli.terminal import Voice, complain, safe, safe_text, size


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@given(st.text())
def test_safe_text_has_no_control_character(text: str) -> None:
    assert safe(text).isprintable()
    assert all(line.isprintable() for line in safe_text(text).split("\n"))


@given(st.binary(max_size=400))
def test_output_of_a_stranger_shows_without_control_characters(output: bytes) -> None:
    assert all(line.isprintable() for line in output_lines(Voice(io.StringIO(), False, True), output))


def test_lines_and_letters_of_all_scripts_stay() -> None:
    assert safe_text("eins\r\nzwei\t日本\n") == "eins\nzwei    日本\n"


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    complain("a\nb\x1b[2J")
    assert capsys.readouterr().err == "dvm: a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}[2J\n"


@pytest.mark.parametrize(
    ("stream", "environment", "colour"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    stream: io.StringIO, environment: dict[str, str], colour: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    voice = Voice.on(stream)
    voice.say(voice.paint("x", "red", "bold"))
    assert stream.getvalue() == ("\x1b[31;1mx\x1b[0m\n" if colour else "x\n")


def test_progress_is_for_terminals_only() -> None:
    for stream, told in ((Terminal(), "x\n"), (io.StringIO(), "")):
        Voice.on(stream).progress("x")
        assert stream.getvalue() == told


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 bytes"), (9_999, "9,999 bytes"), (10_240, "10.0 KiB"), (3 << 20, "3.0 MiB")]
)
def test_sizes(number: int, text: str) -> None:
    assert size(number) == text
