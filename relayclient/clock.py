"""Time as the rest of this package sees it: handed in, never read in place."""

from __future__ import annotations

import time
from typing import NamedTuple, Protocol


class Moment(NamedTuple):
    """One instant on both clocks."""

    monotonic: float
    """Seconds; never jumps; measures durations and deadlines."""
    unix: int
    """Seconds since 1970; may jump either way; only for what is compared with `created_at`."""


class Clock(Protocol):
    """Whoever knows the time."""

    def now(self) -> int:
        """Unix time in whole seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps; the origin means nothing."""
        ...


class SystemClock:
    """The clocks of this machine."""

    def now(self) -> int:
        return int(time.time())

    def monotonic(self) -> float:
        return time.monotonic()


def moment(clock: Clock) -> Moment:
    """Both clocks, now."""
    return Moment(clock.monotonic(), clock.now())
