"""What a run costs. This node gives its compute away: quote and charge come from one place, and both are zero."""

from __future__ import annotations

from jobs.grant import Grant
from jobs.model import Msat
from jobs.outcome import Usage

FREE = "free"
"""How a free job is paid for, in the `payment` tag of its receipt."""


def quote(grant: Grant) -> Msat:
    """The most that a run within `grant` can cost."""
    del grant
    return Msat(0)


def charge(usage: Usage) -> Msat:
    """What a run that used this much costs; never above the quote for its grant."""
    del usage
    return Msat(0)
