"""Whether to take a request, and on which terms. A function of the request, the policy, the queue and the time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from jobs.grant import CEILING, DEFAULT, Grant
from jobs.model import Offer
from jobs.pricing import quote
from jobs.request import Ask, JobRequest, Malformed, NotOurs


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the operator allows."""

    ceiling: Grant = CEILING
    default: Grant = DEFAULT
    open_jobs: bool = True
    """Whether to take requests that name no provider."""
    oldest_s: int = 86_400
    """Requests further than this from now, in the past or in the future, are not looked at: when they can be taken,
    an answer that was given may already have been forgotten."""
    future_s: int = 900
    patience_s: int = 600
    """How long an accepted job may wait for its turn."""
    live_max: int = 1_000
    live_per_customer_max: int = 100
    declines_max: int = 3_600
    """Errors to requests that were not taken, in an hour; what comes beyond them is passed over in silence."""
    declines_per_customer_max: int = 100


@dataclass(frozen=True, slots=True)
class Standing:
    """How much unfinished work the node has."""

    live: int
    live_of_customer: int


def consider(
    created_at: int, read: JobRequest | Malformed, policy: Policy, standing: Standing, now: int
) -> Offer | Malformed | NotOurs:
    """Terms, or one error for the customer, or silence.

    `read` is what `parse_request` made of an event of the time `created_at`. Cheap checks, no side effect.
    """
    if created_at < now - policy.oldest_s:
        return NotOurs("too old")
    if created_at > now + max(policy.oldest_s, policy.future_s):
        return NotOurs("too far ahead")
    if not read.addressed and not policy.open_jobs:
        return NotOurs("open jobs are off")
    if isinstance(read, Malformed):
        return read
    grant = granted(read.ask, policy)
    deadline = now + policy.patience_s
    offer = Offer(quote(grant), grant, min(deadline, read.expiration or deadline))
    objection = _objection(read, offer, policy, standing, now)
    return offer if objection is None else Malformed(*objection, read.relays, read.addressed)


class Declines:
    """How many requests were declined in the running hour. Each costs a row, a signature and publications."""

    WINDOW_S = 3_600

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._hour = 0
        self._of: Counter[str] = Counter()

    def afford(self, customer: str, now: int) -> bool:
        """Count one more, if it may be said at all."""
        hour = now // self.WINDOW_S
        if hour != self._hour:
            self._hour = hour
            self._of.clear()
        within = self._of.total() < self._policy.declines_max
        if within and self._of[customer] < self._policy.declines_per_customer_max:
            self._of[customer] += 1
            return True
        return False


def granted(ask: Ask, policy: Policy) -> Grant:
    """What was asked for, or else the default, but never more than the ceiling."""
    base = policy.default
    wanted = Grant(
        fuel=base.fuel if ask.fuel is None else ask.fuel,
        memory_bytes=base.memory_bytes if ask.memory_bytes is None else ask.memory_bytes,
        wall_ms=base.wall_ms if ask.wall_ms is None else ask.wall_ms,
        input_bytes=base.input_bytes,
        output_bytes=base.output_bytes,
        log_bytes=base.log_bytes,
    )
    return wanted.meet(policy.ceiling)


def _objection(
    request: JobRequest, offer: Offer, policy: Policy, standing: Standing, now: int
) -> tuple[str, str] | None:
    """Why these terms cannot be had: a code and a sentence."""
    grant, price = offer.grant, offer.price
    if request.expiration is not None and request.expiration <= now:
        return "expired", "the request had expired when it arrived; publish it again with a later expiration"
    if request.event.created_at > now + policy.future_s:
        return "created-in-future", "created_at lies in the future; check the clock of the customer's machine"
    if len(request.stdin) > grant.input_bytes:
        return "input-too-large", f"stdin has {len(request.stdin)} bytes; at most {grant.input_bytes} are taken"
    if request.bid_msat is not None and request.bid_msat < price:
        return "price-too-low", f"the price is {price} msat, the bid is {request.bid_msat}"
    if standing.live >= policy.live_max:
        return "busy", "the queue is full; try again later"
    if standing.live_of_customer >= policy.live_per_customer_max:
        return "busy", f"you have {standing.live_of_customer} unfinished jobs here; wait for some to end"
    return None
