"""The numbers of the room, and how a grant becomes limits of the engine and of the process."""

from __future__ import annotations

from dataclasses import dataclass

from dvm.sandbox.shape import Shape

MIB = 1 << 20

HOST_HEADROOM_BYTES = 48 * MIB
"""Private memory of a worker beside the guest's: what host calls buffer, the engine's own records."""

OPEN_FILES = 32
INSTANCES = 1_000
MEMORIES = 64
_TABLE_SHARE = 16
"""One sixteenth of the granted memory is for tables without a modest maximum, when a component has any."""
_ELEMENT_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLimits:
    """What the room may use. Bytes and seconds; all are inclusive."""

    spares: int = 2
    """Workers that are forked and confined ahead of demand."""
    component_bytes: int = 32 * MIB
    artefact_bytes: int = 256 * MIB
    """Of one compiled component."""
    cache_bytes: int = 1024 * MIB
    """Of all compiled components on disk; the least recently used go first."""
    hot_bytes: int = 64 * MIB
    """Of compiled components kept ready in memory, unless a single one is larger."""
    compile_data_bytes: int = 768 * MIB
    compile_cpu_s: int = 30
    compile_wall_s: int = 120
    start_s: float = 20.0
    """From starting the zygote to the end of its self-test, and at most this long a run waits for a worker."""


@dataclass(frozen=True, slots=True)
class TableLimits:
    """How many tables a component may have, how long each may get, and what that can cost at most."""

    tables: int
    elements: int
    bytes: int


def table_limits(shape: Shape, memory_bytes: int) -> TableLimits:
    """Tables count against granted memory by their largest possible size: the engine does not report their growth."""
    elements, cost = shape.largest_fixed_table, shape.fixed_table_elements * _ELEMENT_BYTES
    if shape.growable_tables:
        share = memory_bytes // _TABLE_SHARE // _ELEMENT_BYTES // shape.growable_tables
        elements = max(elements, share)
        cost += shape.growable_tables * elements * _ELEMENT_BYTES
    return TableLimits(shape.tables, elements, cost)
