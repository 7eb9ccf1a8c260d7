"""How a run ended, and what it used. Reported by the sandbox, judged by the life cycle."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """Every way in which a run can end. The value is the code that stands on the wire."""

    FINISHED = "finished"
    """The component returned; its exit status says whether it was content."""
    TRAPPED = "trap"
    """The component did something WebAssembly forbids (unreachable, out of bounds, stack exhausted, ...)."""
    OUT_OF_FUEL = "out-of-fuel"
    OUT_OF_TIME = "out-of-time"
    OUT_OF_MEMORY = "out-of-memory"
    OUTPUT_TOO_LARGE = "output-too-large"
    REFUSED_IMPORT = "refused-import"
    """The component imports an interface that no grant holds; the detail names it."""
    INVALID_COMPONENT = "invalid-component"
    """The bytes are no component of a world this node runs."""
    COMPILE_LIMIT = "compile-limit"
    """Compiling needs more than a compilation may use."""
    SANDBOX_FAILURE = "sandbox-failure"
    """Our own fault: the worker died for a reason that is not the component's."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run used. `fuel` is reproducible, the rest is measured."""

    fuel: int
    memory_bytes: int
    """Peak of the linear memories."""
    wall_ms: int


@dataclass(frozen=True, slots=True)
class RunReport:
    """The end of one run. `output` and `log` are within the grant; `detail` is one sentence, no control characters."""

    outcome: Outcome
    exit_code: int
    """0 or 1 (WASI 0.2 commands know no other); meaningful only when finished."""
    output: bytes
    log: bytes
    usage: Usage
    detail: str = ""
    engine: str = ""
    """Name and version of the engine, for the receipt: `wasmtime/50.0.1`."""
    started_ns: int = 0
    """CLOCK_MONOTONIC just before the first guest instruction, 0 when it never came to that."""
