"""What one transaction is going to store: facts applied to jobs, before anybody else may see it.

Synchronous and without I/O. The engine fills a batch, commits it, and only then publishes what it holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dvm.ports import Change, Clock, Outgoing, Refusal, Signer, StoryLine
from jobs.admission import Declines, Policy, Standing, consider
from jobs.facts import Fact, describe
from jobs.lifecycle import advance, born, declined
from jobs.model import Job
from jobs.orders import Order, Publish, describe_orders
from jobs.request import JobId, JobRequest, Malformed, NotOurs
from relayclient.event import Event


@dataclass(frozen=True, slots=True)
class Effect:
    """One stored change and the orders that follow from it."""

    change: Change | Refusal
    orders: tuple[Order, ...]


class Batch:
    """Facts applied on top of the committed jobs `live`; `known` are the arriving requests that were seen before."""

    def __init__(
        self,
        *,
        live: Mapping[JobId, Job],
        live_of: Mapping[str, int],
        known: set[JobId],
        signer: Signer,
        policy: Policy,
        declines: Declines,
        clock: Clock,
    ) -> None:
        self.jobs: dict[JobId, Job] = {}
        self.effects: list[Effect] = []
        self._live, self._live_of, self._known = live, live_of, known
        self._signer, self._policy, self._declines, self._clock = signer, policy, declines, clock

    def arrive(self, event: Event, read: JobRequest | Malformed, seen_on: str) -> None:
        """A request becomes a job, or is declined with one error, or is passed over in silence."""
        job_id = JobId(event.id)
        now = self._clock.now()
        offer = consider(event.created_at, read, self._policy, self._standing(event.pubkey), now)
        if job_id in self._known or isinstance(offer, NotOurs):
            return
        if isinstance(offer, Malformed) and not self._declines.afford(event.pubkey, now):
            return
        self._known.add(job_id)
        if isinstance(offer, Malformed):
            self._decline(event, offer, seen_on, now)
            return
        assert isinstance(read, JobRequest)  # only for a well-formed request are there terms
        job, orders = born(read, offer, seen_on, now)
        line = StoryLine(now, "Requested", f"seen on {seen_on}", "", job.state.value, describe_orders(orders))
        self._add(job, line, orders)

    def advance(self, job_id: JobId, fact: Fact) -> None:
        """Apply a fact; raises ImpossibleTransition. A job that is not live has ended: the fact is late."""
        job = self.jobs.get(job_id) or self._live.get(job_id)
        if job is None:
            return
        now = self._clock.now()
        after, orders = advance(job, fact, now)
        if after is job and not orders:
            return
        name, detail, told = type(fact).__name__, describe(fact), describe_orders(orders)
        self._add(after, StoryLine(now, name, detail, job.state.value, after.state.value, told), orders)

    def _decline(self, event: Event, why: Malformed, seen_on: str, now: int) -> None:
        order = declined(event, why, seen_on, now)
        outgoing = self._sign(JobId(event.id), order, (*why.relays, seen_on))
        line = StoryLine(now, "Requested", f"{why.code}: {why.sentence}", "", "declined", describe_orders((order,)))
        self.effects.append(Effect(Refusal(event, seen_on, why.code, line, outgoing), (order,)))

    def _add(self, job: Job, line: StoryLine, orders: tuple[Order, ...]) -> None:
        relays = (*job.request.relays, job.seen_on)
        outgoing = tuple(self._sign(job.id, order, relays) for order in orders if isinstance(order, Publish))
        self.jobs[job.id] = job
        self.effects.append(Effect(Change(job, line, outgoing), orders))

    def _sign(self, job: JobId, order: Publish, relays: tuple[str, ...]) -> Outgoing:
        """Signed here and nowhere else: what is stored is what is sent, today and after any restart."""
        return Outgoing(job, order.purpose, self._signer.sign(order.draft), tuple(dict.fromkeys(relays)))

    def _standing(self, customer: str) -> Standing:
        new = [job for job in self.jobs.values() if job.id not in self._live]
        own = sum(job.request.customer == customer for job in new)
        return Standing(len(self._live) + len(new), self._live_of.get(customer, 0) + own)
