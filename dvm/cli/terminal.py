"""How commands speak: results to stdout, everything else to stderr, progress and colour on a terminal only.

What strangers wrote passes through `safe` or `safe_text` before it is shown: no control character reaches a terminal.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from typing import Any, TextIO

from relayclient.event import to_compact_json

FAILED = 1
USAGE = 2
CONFIG = 78
"""EX_CONFIG of sysexits.h: trying again without editing something cannot help."""

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}


class Trouble(Exception):
    """Ends the command: the message is the one line that is shown, `code` the exit code."""

    def __init__(self, sentence: str, code: int = FAILED) -> None:
        super().__init__(sentence)
        self.code = code


def complain(sentence: str) -> None:
    """One line on stderr, marked as ours."""
    print(f"dvm: {safe(sentence)}", file=sys.stderr)


def safe(text: str) -> str:
    """One line of foreign text: everything that is not plainly visible replaced."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def safe_text(text: str) -> str:
    """Foreign text of several lines."""
    return "\n".join(safe(line.replace("\t", "    ")) for line in text.replace("\r\n", "\n").split("\n"))


@dataclass(frozen=True, slots=True)
class Voice:
    """Writes lines to one stream; `colour` says whether it may use escapes, `live` whether a person watches."""

    stream: TextIO
    colour: bool
    live: bool

    @classmethod
    def on(cls, stream: TextIO) -> Voice:
        """As the stream, NO_COLOR (no-color.org) and TERM allow."""
        live = stream.isatty()
        colour = live and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
        return cls(stream, colour, live)

    def paint(self, text: str, *styles: str) -> str:
        """The text in the given styles, or plain."""
        if not self.colour or not text:
            return text
        return f"\x1b[{';'.join(_STYLES[style] for style in styles)}m{text}\x1b[0m"

    def say(self, line: str = "") -> None:
        """One line, at once."""
        print(line, file=self.stream, flush=True)

    def progress(self, line: str) -> None:
        """One line that only a person wants."""
        if self.live:
            self.say(line)


def print_json(value: Any) -> None:
    """One JSON value on one line of stdout."""
    print(to_compact_json(value))


def clock_time(at: int) -> str:
    """A unix time as the local date and time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def amount(number: int) -> str:
    """A number with its thousands set apart."""
    return f"{number:,}"


def size(number: int) -> str:
    """Bytes for people."""
    if number < 10_000:
        return f"{number:,} bytes"
    return f"{number / 1024:,.1f} KiB" if number < 1 << 20 else f"{number / (1 << 20):,.1f} MiB"
