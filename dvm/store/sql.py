"""The SQL files of this room, read once: named queries and numbered migrations."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_HERE = files("dvm.store")


@cache
def queries() -> dict[str, str]:
    """Name to statement, from queries.sql."""
    text = (_HERE / "queries.sql").read_text(encoding="utf-8")
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    return {name: statement.strip() for name, statement in zip(parts[::2], parts[1::2], strict=True)}


@cache
def migrations() -> tuple[tuple[int, str], ...]:
    """Number and script, in order: 0001_first.sql is (1, ...)."""
    found = [entry for entry in (_HERE / "migrations").iterdir() if entry.name.endswith(".sql")]
    return tuple(sorted((int(entry.name[:4]), entry.read_text(encoding="utf-8")) for entry in found))
