"""What a session tells its caller, in the past tense. Counterpart of the session's inputs in `protocol.py`.

`relay` is always the normalised URL of the relay that the news is about.
"""

from __future__ import annotations

from dataclasses import dataclass

from relayclient.errors import Reason
from relayclient.event import Event
from relayclient.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class EventSeen:
    """A verified event that matches the filters of the live subscription `sub`."""

    relay: str
    sub: str
    event: Event


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """All that this relay had for `sub` up to the unix time `upto` was told before this. `upto` never falls."""

    relay: str
    sub: str
    upto: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The fate of a publication: the relay's OK, or TRANSIENT with our own text when none came."""

    relay: str
    event_id: str
    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """Something the relay sent was no use, and why. Nothing else happened because of it."""

    relay: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class SubscriptionLost:
    """The relay closed a subscription; it is asked for again in `retry_in` seconds."""

    relay: str
    sub: str
    verdict: Verdict
    text: str
    retry_in: float


@dataclass(frozen=True, slots=True)
class Noticed:
    """The relay said something to people (NOTICE), already safe to print."""

    relay: str
    text: str


@dataclass(frozen=True, slots=True)
class Connected:
    """The connection stands, and the subscriptions were asked for."""

    relay: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection ended or could not be made; it is tried again in `retry_in` seconds."""

    relay: str
    why: str
    retry_in: float


News = EventSeen | CaughtUp | Answered | Dropped | SubscriptionLost | Noticed | Connected | Disconnected
