"""What is publicly known to be wrong with versions of the engine, and what a node does about it. Pure.

An entry is made for every advisory that names a version we could be pinned to, also where it does not concern us, so
that its absence never has to be explained. Source: the RustSec database (crates wasmtime, wasmtime-wasi).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Reach(Enum):
    """How far a guest gets by it."""

    ESCAPE = "sandbox escape"
    """Reads or writes what is outside its own memory and is not stopped by that."""
    LEAK = "leak of data"
    CRASH = "crash"
    """Of the process, which has one guest and dies with it anyway."""


class Part(Enum):
    """Where the fault is."""

    MACHINE_CODE = "the machine code the compiler makes"
    """The interpreter does not have it."""
    RUNTIME = "the engine itself"
    """Every form of the engine has it."""
    UNUSED = "a part that is not used here"
    """Switched off, never called, or of another operating system."""


class Advice(Enum):
    """What to do about it."""

    NONE = "none"
    DOWNGRADE = "downgrade"
    """Interpret guests instead of running machine code."""
    REFUSE = "refuse"
    """Run nobody's code until the engine is replaced."""


@dataclass(frozen=True, slots=True)
class Advisory:
    """One entry. A version is affected when it is `since` or later and its release line has no fix yet."""

    id: str
    title: str
    reach: Reach
    part: Part
    fixed: tuple[str, ...]
    """The first good version of every release line that was mended; all lines after the last one are good."""
    since: str = "0.0.0"
    machines: tuple[str, ...] = ()
    """The architectures it concerns; empty for all."""

    @property
    def advice(self) -> Advice:
        """What it means for a version that it affects."""
        if self.reach is not Reach.ESCAPE or self.part is Part.UNUSED:
            return Advice.NONE
        return Advice.DOWNGRADE if self.part is Part.MACHINE_CODE else Advice.REFUSE

    def affects(self, version: str, machine: str) -> bool:
        """Whether it concerns this version on this architecture; raises ValueError for what is no version."""
        if self.machines and machine not in self.machines:
            return False
        at, fixes = _numbers(version), sorted(map(_numbers, self.fixed))
        if at < _numbers(self.since) or at >= fixes[-1]:
            return False
        return not any(fix[0] == at[0] and at >= fix for fix in fixes)


@dataclass(frozen=True, slots=True)
class Found:
    """The gravest advice for a version on a machine, and every advisory that affects it."""

    advice: Advice
    advisories: tuple[Advisory, ...]

    @property
    def sentence(self) -> str:
        """Those that the advice is for; empty when there is none."""
        return "; ".join(f"{a.id} ({a.reach.value} in {a.part.value}: {a.title})" for a in self.deciding)

    @property
    def deciding(self) -> tuple[Advisory, ...]:
        """The advisories that ask for anything to be done."""
        return tuple(a for a in self.advisories if a.advice is not Advice.NONE)


_GRAVITY = (Advice.NONE, Advice.DOWNGRADE, Advice.REFUSE)


def _numbers(version: str) -> tuple[int, int, int]:
    parts = version.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdecimal() for part in parts):
        raise ValueError(f"{version!r} is no version of three numbers")
    return int(parts[0]), int(parts[1]), int(parts[2])


def advice(version: str, machine: str, table: Iterable[Advisory] | None = None) -> Found:
    """What is known against `version` (three numbers) on `machine` (as uname names it)."""
    found = tuple(a for a in (TABLE if table is None else table) if a.affects(version, machine))
    return Found(max((a.advice for a in found), key=_GRAVITY.index, default=Advice.NONE), found)


_X86, _ARM = ("x86_64",), ("aarch64",)
_APRIL_2026 = ("36.0.7", "42.0.2", "43.0.1")
_APRIL_2026_OLD = ("24.0.7", *_APRIL_2026)
_FEBRUARY_2026 = ("24.0.6", "36.0.6", "40.0.4", "41.0.4")
_OCTOBER_2024 = ("21.0.2", "22.0.1", "23.0.3", "24.0.1", "25.0.2")

TABLE: tuple[Advisory, ...] = (
    Advisory("RUSTSEC-2024-0438", "device file names", Reach.ESCAPE, Part.UNUSED, ("24.0.2", "25.0.3", "26.0.1")),
    Advisory("RUSTSEC-2024-0439", "race in the registry of types", Reach.CRASH, Part.UNUSED, _OCTOBER_2024, "19.0.0"),
    Advisory("RUSTSEC-2024-0440", "tail calls and backtraces", Reach.CRASH, Part.RUNTIME, _OCTOBER_2024, "21.0.0"),
    Advisory(
        *("RUSTSEC-2025-0046", "fd_renumber of preview 1", Reach.CRASH, Part.UNUSED),
        *(("24.0.4", "33.0.2", "34.0.2"), "10.0.0"),
    ),
    Advisory("RUSTSEC-2025-0112", "calls from the host", Reach.CRASH, Part.RUNTIME, ("38.0.3",), "38.0.0"),
    Advisory(
        *("RUSTSEC-2025-0118", "shared memories", Reach.LEAK, Part.UNUSED),
        ("24.0.5", "36.0.3", "37.0.3", "38.0.4"),
    ),
    Advisory(
        *("RUSTSEC-2026-0006", "load of f64.copysign", Reach.CRASH, Part.MACHINE_CODE),
        *(("36.0.5", "40.0.3", "41.0.1"), "29.0.0", _X86),
    ),
    Advisory("RUSTSEC-2026-0020", "resources of WASI exhausted", Reach.CRASH, Part.RUNTIME, _FEBRUARY_2026),
    Advisory("RUSTSEC-2026-0021", "fields of wasi:http", Reach.CRASH, Part.UNUSED, _FEBRUARY_2026),
    Advisory(
        *("RUSTSEC-2026-0022", "dropped asynchronous calls", Reach.CRASH, Part.UNUSED),
        *(("40.0.4", "41.0.4"), "39.0.0"),
    ),
    Advisory("RUSTSEC-2026-0085", "lifting of flags", Reach.CRASH, Part.RUNTIME, _APRIL_2026_OLD),
    Advisory("RUSTSEC-2026-0086", "64-bit tables in Winch", Reach.LEAK, Part.UNUSED, _APRIL_2026),
    Advisory(
        *("RUSTSEC-2026-0087", "load of f64x2.splat", Reach.CRASH, Part.MACHINE_CODE),
        *(_APRIL_2026_OLD, "0.0.0", _X86),
    ),
    Advisory("RUSTSEC-2026-0088", "pooling allocator", Reach.LEAK, Part.UNUSED, _APRIL_2026),
    Advisory("RUSTSEC-2026-0089", "table.fill in Winch", Reach.CRASH, Part.UNUSED, _APRIL_2026),
    Advisory("RUSTSEC-2026-0090", "cloned linkers", Reach.CRASH, Part.UNUSED, ("43.0.1",), "43.0.0"),
    Advisory(
        *("RUSTSEC-2026-0091", "transcoding of strings writes out of bounds", Reach.ESCAPE, Part.RUNTIME),
        _APRIL_2026_OLD,
    ),
    Advisory("RUSTSEC-2026-0092", "transcoding of UTF-16", Reach.CRASH, Part.RUNTIME, _APRIL_2026_OLD),
    Advisory("RUSTSEC-2026-0093", "transcoding of UTF-16 reads too far", Reach.LEAK, Part.RUNTIME, _APRIL_2026_OLD),
    Advisory("RUSTSEC-2026-0094", "table.grow in Winch", Reach.CRASH, Part.UNUSED, _APRIL_2026),
    Advisory("RUSTSEC-2026-0095", "memory accesses in Winch", Reach.ESCAPE, Part.UNUSED, _APRIL_2026),
    Advisory(
        *("RUSTSEC-2026-0096", "miscompiled access to the heap", Reach.ESCAPE, Part.MACHINE_CODE),
        *(_APRIL_2026, "0.0.0", _ARM),
    ),
    Advisory("RUSTSEC-2026-0114", "huge tables", Reach.CRASH, Part.RUNTIME, ("36.0.8", "43.0.2", "44.0.1"), "30.0.0"),
    Advisory(
        *("RUSTSEC-2026-0149", "truncation of read-only files", Reach.ESCAPE, Part.UNUSED),
        ("24.0.9", "36.0.10", "44.0.2", "45.0.0"),
    ),
    Advisory(
        *("RUSTSEC-2026-0182", "fd_renumber of preview 1 leaks", Reach.CRASH, Part.UNUSED),
        ("24.0.10", "36.0.11", "44.0.3", "45.0.2"),
    ),
    Advisory(
        *("RUSTSEC-2026-0188", "links and renames over read-only files", Reach.ESCAPE, Part.UNUSED),
        ("24.0.11", "36.0.12", "45.0.3", "46.0.1"),
    ),
    Advisory(
        *("RUSTSEC-2026-0222", "types of another engine", Reach.CRASH, Part.UNUSED),
        ("24.0.12", "36.0.13", "46.0.2", "47.0.3"),
    ),
    Advisory(
        *("RUSTSEC-2026-0223", "preemption in bulk operations", Reach.CRASH, Part.UNUSED),
        *(("46.0.2", "47.0.3"), "46.0.0"),
    ),
)
