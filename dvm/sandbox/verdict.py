"""From what the engine said to one of our outcomes and one sentence. Pure.

The engine's text holds names that the guest chose, in any amount; only its last line, the cause, is the engine's own.
"""

from __future__ import annotations

from jobs.outcome import Outcome

DETAIL_CHARACTERS = 240
_NOT_LINKED = "component imports "
"""So begins what the engine says when an interface is granted, but has not the function that the component wants."""


def sentence(text: str) -> str:
    """At most `DETAIL_CHARACTERS` characters on one line, nothing that could steer a terminal."""
    shown = "".join(char if char.isprintable() else " " for char in text[: 4 * DETAIL_CHARACTERS])
    words = " ".join(shown.split())
    return words if len(words) <= DETAIL_CHARACTERS else words[: DETAIL_CHARACTERS - 3] + "..."


def cause(message: str) -> str:
    """The engine's own last words. A backtrace comes before them, and its names are the guest's."""
    last = message.rstrip().rpartition("\n")[2].strip()
    number, colon, rest = last.partition(":")
    return sentence(rest if colon and number.isdigit() else last)


def judge(message: str, *, fuel_left: int, refused_memory: bool) -> tuple[Outcome, str]:
    """The outcome of a run that the engine ended with an error."""
    if message.startswith(_NOT_LINKED):
        return Outcome.REFUSED_IMPORT, sentence(f"the {message}")
    why = cause(message)
    if fuel_left == 0 and "fuel" in why:
        return Outcome.OUT_OF_FUEL, "the fuel granted is used up"
    if refused_memory:
        return Outcome.OUT_OF_MEMORY, sentence(f"a request for more memory was refused, then: {why}")
    if "resource limit exceeded" in why or "exceeds memory limits" in why or "exceeds table limits" in why:
        return Outcome.OUT_OF_MEMORY, why
    return Outcome.TRAPPED, why
