"""What one run may use. Closed by default: every limit is set, there is no value that means "no limit"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MIB = 1 << 20
_NAMES = ("fuel", "memory_bytes", "wall_ms", "input_bytes", "output_bytes", "log_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The limits of one run. All are inclusive maxima; powers that are not listed here are not granted.

    The numbers form a lattice under `meet`: combining grants can only narrow.
    """

    fuel: int
    """Wasm instructions, as the engine's fuel counter counts them."""
    memory_bytes: int
    """All linear memories and tables of the component together."""
    wall_ms: int
    """Real time from the start of the run to its end, time in host calls included."""
    input_bytes: int
    """Standard input."""
    output_bytes: int
    """Standard output."""
    log_bytes: int
    """Standard error that is kept; what is written beyond it is dropped, not an error."""

    def __post_init__(self) -> None:
        for name, value in self.to_wire().items():
            if type(value) is not int or not 0 <= value < 1 << 63:
                raise ValueError(f"grant: {name} must be an integer from 0 to 2**63 - 1, not {value!r}")

    def meet(self, other: Grant) -> Grant:
        """The greatest grant that is within both."""
        return Grant(**{name: min(getattr(self, name), getattr(other, name)) for name in _NAMES})

    def within(self, other: Grant) -> bool:
        """Whether nothing here exceeds `other`."""
        return self.meet(other) == self

    def to_wire(self) -> dict[str, int]:
        """As it stands in the `grant` tag of a receipt and in the store."""
        return {name: getattr(self, name) for name in _NAMES}

    @classmethod
    def from_wire(cls, obj: Any) -> Grant:
        """The inverse of `to_wire`; raises ValueError on a missing, unknown or ill-typed field."""
        if not isinstance(obj, dict) or set(obj) != set(_NAMES):
            raise ValueError("grant: exactly the known fields are required")
        return cls(**obj)


DEFAULT = Grant(
    fuel=2_000_000_000,
    memory_bytes=64 * MIB,
    wall_ms=10_000,
    input_bytes=64 * 1024,
    output_bytes=40_960,
    log_bytes=4_096,
)
"""What a request gets that asks for nothing."""

CEILING = Grant(
    fuel=100_000_000_000,
    memory_bytes=512 * MIB,
    wall_ms=60_000,
    input_bytes=64 * 1024,
    output_bytes=40_960,
    log_bytes=4_096,
)
"""What a request can get at most, unless the operator sets another ceiling."""
