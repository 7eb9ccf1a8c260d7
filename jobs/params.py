"""The `param` tags of a request, read one by one with a bound on each (docs/SPEC.md, "Parameters").

Anything wrong raises `Wrong`, which `request.parse_request` turns into one `Malformed`.
"""

from __future__ import annotations

import difflib
import hashlib
import re

from relayclient.event import Event

ARGS_MAX = 64
ENV_MAX = 64
TEXT_MAX = 4096
"""Bytes of one argument or environment value."""

HEX64 = re.compile(r"[0-9a-f]{64}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_KNOWN = ("arg", "env", "fuel", "memory_mib", "seed", "timeout_ms", "world")


class Wrong(Exception):
    """The request cannot be taken as it is. `code` is stable, `sentence` says what to change."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code, sentence)
        self.code, self.sentence = code, sentence


class Params:
    """The parameters of one event; each getter validates what it returns."""

    def __init__(self, event: Event) -> None:
        self._event_id = event.id
        self._values: dict[str, list[tuple[str, ...]]] = {}
        for tag in event.tags:
            if tag[0] == "param":
                self._values.setdefault(_known(tag[1] if len(tag) > 1 else ""), []).append(tag[2:])

    def single(self, name: str) -> str | None:
        """The one value of a parameter that may stand once."""
        values = self._values.get(name)
        if values is None:
            return None
        if len(values) > 1 or len(values[0]) != 1:
            raise Wrong("bad-param", f"param {name} takes one value and stands once")
        return values[0][0]

    def integer(self, name: str, low: int, high: int) -> int | None:
        text = self.single(name)
        return None if text is None else integer(f"param {name}", text, low, high)

    def args(self) -> tuple[str, ...]:
        """The arguments after the program's name, in order."""
        args = tuple(value for values in self._values.get("arg", []) for value in values)
        if len(args) > ARGS_MAX:
            raise Wrong("bad-param", f"at most {ARGS_MAX} arguments are taken")
        return tuple(_text("an argument", arg) for arg in args)

    def env(self) -> tuple[tuple[str, str], ...]:
        env: dict[str, str] = {}
        for values in self._values.get("env", []):
            if len(values) != 2 or not _ENV_NAME.fullmatch(values[0]) or values[0] in env:
                shape = '["param", "env", "NAME", "value"]'
                raise Wrong("bad-param", f"param env takes a name and a value, each name once: {shape}")
            env[values[0]] = _text("an environment value", values[1])
        if len(env) > ENV_MAX:
            raise Wrong("bad-param", f"at most {ENV_MAX} environment variables are taken")
        return tuple(env.items())

    def seed(self) -> bytes:
        """32 bytes for the guest's randomness: as given, or derived from the request's id."""
        text = self.single("seed")
        if text is None:
            return hashlib.sha256(b"dvm-seed-1" + bytes.fromhex(self._event_id)).digest()
        if not HEX64.fullmatch(text):
            raise Wrong("bad-param", f"param seed has 64 lower-case hex digits, not {shown(text)}")
        return bytes.fromhex(text)


def integer(what: str, text: str, low: int, high: int) -> int:
    """A decimal integer from `low` to `high`; raises Wrong otherwise."""
    # The length first: int() of a very long number is slow, and refused by Python with another exception.
    if not (text.isascii() and text.isdecimal() and len(text) <= 20 and low <= int(text) <= high):
        raise Wrong("bad-param", f"{what} must be a whole number from {low} to {high}, not {shown(text)}")
    return int(text)


def shown(text: str) -> str:
    """A stranger's text, short and printable, for a sentence of ours."""
    short = text if len(text) <= 40 else text[:40] + "..."
    return '"' + "".join(c if c.isprintable() else "?" for c in short) + '"'


def _known(name: str) -> str:
    if name not in _KNOWN:
        near = difflib.get_close_matches(name[:64], _KNOWN, 1)
        advice = f"; did you mean {near[0]}?" if near else "; known are " + ", ".join(_KNOWN)
        raise Wrong("unknown-param", f"there is no param {shown(name)}{advice}")
    return name


def _text(what: str, value: str) -> str:
    if "\0" in value or len(value.encode()) > TEXT_MAX:
        raise Wrong("bad-param", f"{what} has at most {TEXT_MAX} bytes, none of them NUL")
    return value
