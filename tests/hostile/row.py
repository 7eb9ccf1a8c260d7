"""One row of the corpus: what is tried, how the bytes are made, and how it must end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from jobs.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`ends` are the only outcomes allowed; `SANDBOX_FAILURE` can be none of them."""

    name: str
    what: str
    """One sentence for the table."""
    build: Callable[[], bytes]
    ends: frozenset[Outcome]
    limits: dict[str, int] = field(default_factory=dict)
    """What differs from the grant of the tests (`tests.support.sandboxes.GRANT`)."""
    words: str = ""
    """Must stand in the detail."""
    args: tuple[str, ...] = ()
    slow: bool = False
    """Only in `make torture`."""

    def __post_init__(self) -> None:
        if not self.ends or Outcome.SANDBOX_FAILURE in self.ends:
            raise ValueError(f"{self.name}: a guest must not be able to make the sandbox fail")


def ends(*outcomes: Outcome) -> frozenset[Outcome]:
    """The outcomes as a set."""
    return frozenset(outcomes)


ANY_BUT_OUR_FAULT = frozenset(Outcome) - {Outcome.SANDBOX_FAILURE}
"""For bytes that were changed blindly: nobody knows what they mean now."""
