"""Log lines: a sentence for people, then fields. One line each, whatever strangers put into a field."""

from __future__ import annotations

import json
import logging
import sys

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "action"}
FIELD_MAX = 300


class LineFormatter(logging.Formatter):
    """`12:00:00 info  job moved  job=ab12... state=queued`; the time is left to the journal under systemd."""

    def __init__(self, *, with_time: bool) -> None:
        super().__init__(datefmt="%H:%M:%S")
        self._with_time = with_time

    def format(self, record: logging.LogRecord) -> str:
        fields = {k: v for k, v in vars(record).items() if k not in _STANDARD}
        shown = " ".join(f"{name}={_field(value)}" for name, value in fields.items())
        time = self.formatTime(record, self.datefmt) + " " if self._with_time else ""
        line = f"{time}{record.levelname.lower():7} {_line(record.getMessage())}" + (f"  {shown}" if shown else "")
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def set_up(*, verbose: bool, journal: bool) -> None:
    """Log to stderr, from `info` or with `verbose` from `debug`."""
    out = logging.StreamHandler(sys.stderr)
    out.setFormatter(LineFormatter(with_time=not journal))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[out], force=True)
    for noisy in ("websockets", "asyncio", "aiosqlite"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _line(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _field(value: object) -> str:
    text = str(value)
    text = text if len(text) <= FIELD_MAX else text[:FIELD_MAX] + "..."
    plain = text.isprintable() and text and not any(c in text for c in ' "=')
    return text if plain else json.dumps(text)
