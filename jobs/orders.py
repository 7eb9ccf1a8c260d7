"""What the life cycle wants done: its outputs, in the imperative. The counterpart is `facts`.

Every order is harmless when carried out twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from relayclient.event import Draft


@dataclass(frozen=True, slots=True)
class Fetch:
    """Bring the component to this machine. Completed by PartsFetched or PartsMissing."""


@dataclass(frozen=True, slots=True)
class StartRun:
    """Run it. Completed by RunEnded with the same attempt, or by PartsMissing if the cache lost the component."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Publish:
    """Say this to the customer. The draft is signed and stored with the state change, and sent afterwards."""

    purpose: str
    """`result`, `error` or `processing`."""
    draft: Draft


Order = Fetch | StartRun | Publish


def describe_orders(orders: tuple[Order, ...]) -> str:
    """One line for the story of the job."""
    return ", ".join(map(_describe, orders))


def _describe(order: Order) -> str:
    match order:
        case Fetch():
            return "fetch"
        case StartRun(attempt):
            return f"start run {attempt}"
        case Publish(purpose):
            return f"publish {purpose}"
