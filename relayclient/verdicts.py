"""What a relay's answer means for whoever asked: OK and CLOSED texts (NIP-01 machine-readable prefixes) as an enum."""

from __future__ import annotations

from enum import Enum

MAX_TEXT = 200
"""Characters of a relay's text that are kept."""


class Verdict(Enum):
    """The outcome of a publication or a subscription at one relay."""

    ACCEPTED = "accepted"
    """The relay has it, now or since before."""
    TRANSIENT = "transient"
    """Not now: sending the identical bytes again later may succeed."""
    REFUSED = "refused"
    """Never: this relay will not take these bytes."""


_PERMANENT = frozenset({"invalid", "blocked", "restricted", "pow", "mute", "unsupported"})


def of_ok(accepted: bool, text: str) -> Verdict:
    """The verdict of an OK. `duplicate:` is success whatever the flag says: one relay in use answers it with false.

    A refusal without a known prefix is transient: one more harmless try is better than a lost event.
    """
    if accepted or prefix(text) == "duplicate":
        return Verdict.ACCEPTED
    return of_refusal(text)


def of_refusal(text: str) -> Verdict:
    """The verdict of a refusal (OK false, CLOSED) with this text: TRANSIENT or REFUSED."""
    return Verdict.REFUSED if prefix(text) in _PERMANENT else Verdict.TRANSIENT


def prefix(text: str) -> str:
    """The lower-case word before the first colon, "" if there is none."""
    word, colon, _ = text[:MAX_TEXT].partition(":")
    return word.strip().lower() if colon else ""


def clean(text: str) -> str:
    """A relay's text, safe for logs and terminals: cut, and everything unprintable replaced."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:MAX_TEXT])
