"""All rows, by group."""

from __future__ import annotations

from tests.hostile import binaries, bombs, imports, loops, memory, streams
from tests.hostile.row import Row

GROUPS: dict[str, tuple[Row, ...]] = {
    "Without end": loops.ROWS,
    "Memory": memory.ROWS,
    "Slow to compile": bombs.ROWS,
    "Streams, exits and words": streams.ROWS,
    "Imports": imports.ROWS,
    "No components": binaries.ROWS,
}
ROWS: tuple[Row, ...] = tuple(row for group in GROUPS.values() for row in group)
