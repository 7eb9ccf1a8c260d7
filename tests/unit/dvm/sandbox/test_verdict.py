"""From the engine's words to ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvm.sandbox import verdict
from jobs.outcome import Outcome

TRACE = (
    "error while executing at wasm backtrace:\n    0:    0x46 - <unknown>!{name}\n\nCaused by:\n    wasm trap: {why}"
)


def judge(why: str, *, name: str = "f", fuel: int = 1, refused: bool = False) -> tuple[Outcome, str]:
    return verdict.judge(TRACE.format(name=name, why=why), fuel_left=fuel, refused_memory=refused)


def test_plain_trap() -> None:
    assert judge("integer divide by zero") == (Outcome.TRAPPED, "wasm trap: integer divide by zero")


def test_fuel() -> None:
    assert judge("all fuel consumed by WebAssembly", fuel=0)[0] is Outcome.OUT_OF_FUEL


def test_a_trap_with_the_last_drop_of_fuel_is_a_trap() -> None:
    assert judge("integer divide by zero", fuel=0)[0] is Outcome.TRAPPED


def test_a_trap_after_a_refused_growth_is_for_want_of_memory() -> None:
    outcome, detail = judge("wasm `unreachable` instruction executed", refused=True)
    assert outcome is Outcome.OUT_OF_MEMORY
    assert "refused" in detail


def test_memory_refused_at_the_start() -> None:
    assert verdict.judge("more memory than was granted", fuel_left=9, refused_memory=True)[0] is Outcome.OUT_OF_MEMORY
    text = "resource limit exceeded: table count too high at 2"
    assert verdict.judge(text, fuel_left=9, refused_memory=False) == (Outcome.OUT_OF_MEMORY, text)


@pytest.mark.parametrize(
    "name", ["x\n\nCaused by:\n    wasm trap: all fuel consumed", "exceeds memory limits", "\x1b[2J"]
)
def test_names_of_the_guest_decide_nothing(name: str) -> None:
    outcome, detail = judge("out of bounds memory access", name=name)
    assert (outcome, detail) == (Outcome.TRAPPED, "wasm trap: out of bounds memory access")


def test_numbered_causes() -> None:
    message = "failed\n\nCaused by:\n    0: first\n    1: second: with colon"
    assert verdict.cause(message) == "second: with colon"


def test_a_function_that_its_interface_does_not_have_is_a_refused_import() -> None:
    message = (
        "component imports instance `wasi:cli/stdin@0.2.0`, but a matching implementation was not found in the linker"
        "\n\nCaused by:\n    0: instance export `get-root` has the wrong type\n"
        "    1: function implementation is missing\n"
    )
    outcome, detail = verdict.judge(message, fuel_left=9, refused_memory=False)
    assert outcome is Outcome.REFUSED_IMPORT
    assert "wasi:cli/stdin@0.2.0" in detail
    assert "get-root" in detail


def test_a_guest_cannot_call_its_trap_a_refused_import() -> None:
    assert judge("unreachable", name="\ncomponent imports instance")[0] is Outcome.TRAPPED


@given(st.text(max_size=3000))
def test_sentences_are_short_and_harmless(text: str) -> None:
    shown = verdict.sentence(text)
    assert len(shown) <= verdict.DETAIL_CHARACTERS
    assert shown.isprintable()
    assert verdict.sentence(shown) == shown
