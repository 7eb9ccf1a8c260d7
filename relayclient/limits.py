"""Every bound of this package that is not a fact of the protocol, with defaults for a node at home."""

from __future__ import annotations

from dataclasses import dataclass, field

from relayclient.backoff import BackoffLimits
from relayclient.messages import MAX_FRAME_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """What one relay's session waits for and holds at most."""

    frame_bytes: int = MAX_FRAME_BYTES
    answer_s: float = 10.0
    """Wait for the OK of a publication."""
    pending: int = 512
    """Publications without answer at one time; more are answered TRANSIENT at once."""
    silence_s: float = 30.0
    """A subscription that brings neither events nor EOSE for so long is taken as it is, never as caught up."""
    overlap_s: int = 600
    """How far before the last known time a relay is asked again: events may be back-dated, clocks may differ."""
    caught_up_every_s: float = 60.0
    """How often a live subscription confirms that it is caught up. More than the time in which the driver finds out
    that a link is dead, because the time confirmed is that of the confirmation before."""
    pages: int = 200
    """Requests for older events per catch-up."""
    resubscribe: BackoffLimits = field(default_factory=lambda: BackoffLimits(first_s=2.0, longest_s=300.0))
    """Waits after a relay closed a subscription."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """What the pool holds at most."""

    session: SessionLimits = field(default_factory=SessionLimits)
    reconnect: BackoffLimits = field(default_factory=BackoffLimits)
    dial_s: float = 15.0
    """From the first packet to the end of the websocket handshake."""
    send_s: float = 30.0
    """A peer that takes so long to accept a message is gone."""
    inbox: int = 256
    """News per link that wait for the caller; when full, the relay waits."""
    verified: int = 8_192
    """Verified events remembered, so that copies from other relays are recognised."""
    temporary: int = 32
    """Links at one time to relays that only somebody's reply goes to."""
    idle_s: float = 30.0
    """A temporary link without publications is closed after so long."""
