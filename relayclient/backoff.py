"""How long to wait before trying again: exponential, jittered, and forgiving only towards what has proved itself.

A server that accepts connections and closes them at once is as good as down: a connection that merely stood resets
nothing. Only EOSE, or a minute of life, does. Pure: chance and time are arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

STABLE_S = 60.0


@dataclass(frozen=True, slots=True)
class BackoffLimits:
    """The first wait is between half of `first_s` and `first_s`; each further one twice that, at most `longest_s`."""

    first_s: float = 1.0
    longest_s: float = 300.0


class Backoff:
    """The waits of one link or one subscription. Call `opened`, then `proved` when it did its work, then `lost`."""

    def __init__(self, limits: BackoffLimits, rng: Random) -> None:
        self._limits = limits
        self._rng = rng
        self._failures = 0
        self._opened_at: float | None = None

    def opened(self, now: float) -> None:
        """It stands, which proves nothing yet."""
        self._opened_at = now

    def proved(self) -> None:
        """It did what it is for: forget earlier failures."""
        self._failures = 0

    def lost(self, now: float) -> float:
        """It ended, or never stood; the seconds to wait before the next try."""
        if self._opened_at is not None and now - self._opened_at >= STABLE_S:
            self._failures = 0
        self._opened_at = None
        ceiling = min(self._limits.longest_s, self._limits.first_s * 2.0 ** min(self._failures, 40))
        self._failures += 1
        return ceiling * self._rng.uniform(0.5, 1.0)
