"""Sends stored answers until enough relays have them. The only place that publishes.

What is sent are the stored bytes: a retry, and a restart, repeat the same event with the same id. An answer is settled
when every relay it is meant for has accepted it, refused it for good, or was given up.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from random import Random

from dvm.engine import Engine
from dvm.ports import Clock, Outgoing, Relays
from dvm.supervise import Supervisor
from jobs.facts import ResultAccepted, ResultRefused
from relayclient.recent import Recent
from relayclient.verdicts import Verdict

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Persistence:
    """How long to try."""

    first_s: float = 1.0
    """The pause after the first try; each further one is twice as long."""
    tries: int = 5
    """How often in a row. A relay that only the customer named is then given up."""
    own_s: int = 86_400
    """Own relays are asked again with every sweep, until the answer is this old."""
    in_flight_max: int = 1_000
    """Answers in memory at a time. More stay in the store, where a sweep finds them."""


class Outbox:
    """One task for each answer under way, and in it one for each relay."""

    def __init__(
        self,
        engine: Engine,
        relays: Relays,
        tasks: Supervisor,
        *,
        own: tuple[str, ...],
        clock: Clock,
        rng: Random,
        persistence: Persistence | None = None,
    ) -> None:
        self._engine, self._relays, self._tasks, self._own = engine, relays, tasks, own
        self._clock, self._rng = clock, rng
        self._persistence = persistence or Persistence()
        self._in_flight: set[str] = set()
        self._answered: Recent[str, dict[str, bool]] = Recent(self._persistence.in_flight_max)
        """Of answers that wait for another sweep: the relays that are done with them, and whether they have them."""
        self.unheard: set[str] = set()
        """Ids of the answers under way that no relay has accepted yet."""

    def take(self, outgoing: Outgoing) -> None:
        """Begin to send an answer that was stored, unless it is under way already or too many are."""
        if outgoing.event.id in self._in_flight or len(self._in_flight) >= self._persistence.in_flight_max:
            return
        self._in_flight.add(outgoing.event.id)
        if not any(self._answered.get(outgoing.event.id, {}).values()):
            self.unheard.add(outgoing.event.id)
        self._tasks.start(self._deliver(outgoing), name=f"send {outgoing.purpose} {outgoing.job[:12]}")

    async def _deliver(self, outgoing: Outgoing) -> None:
        targets = tuple(dict.fromkeys((*self._own, *outgoing.relays)))
        answered = self._answered.pop(outgoing.event.id, {})
        asked = [relay for relay in targets if relay not in answered]
        accepted = await asyncio.gather(*(self._send(outgoing, relay) for relay in asked))
        answered |= {relay: has for relay, has in zip(asked, accepted, strict=True) if has is not None}
        self.unheard.discard(outgoing.event.id)
        self._in_flight.discard(outgoing.event.id)
        if None in accepted:
            self._answered[outgoing.event.id] = answered
            return
        if outgoing.purpose == "result" and not any(answered.values()):
            await self._engine.absorb(outgoing.job, ResultRefused(f"none of {len(targets)} relays took the result"))
        self._engine.settle(outgoing.event.id)

    async def _send(self, outgoing: Outgoing, relay: str) -> bool | None:
        """Send to one relay, a few times if need be; whether it has the event for good, or None to ask again later."""
        tries = 0
        while True:
            verdict, text = await self._relays.publish(outgoing.event, relay)
            tries += 1
            about = {"job": outgoing.job, "relay": relay, "purpose": outgoing.purpose, "text": text}
            if verdict is Verdict.ACCEPTED:
                self.unheard.discard(outgoing.event.id)
                log.info("relay accepted", extra={"action": "accepted", **about})
                if outgoing.purpose == "result":
                    await self._engine.absorb(outgoing.job, ResultAccepted(relay))
                return True
            if verdict is Verdict.REFUSED or self._spent(outgoing, relay, tries):
                log.warning("relay gave no place to an answer", extra={"action": "refused", **about})
                return False
            if tries >= self._persistence.tries:
                return None
            await asyncio.sleep(self._pause(tries))

    def _spent(self, outgoing: Outgoing, relay: str, tries: int) -> bool:
        if outgoing.purpose == "processing":
            return True  # by the time of a second try it may be out of date
        if relay in self._own:
            return self._clock.now() > outgoing.event.created_at + self._persistence.own_s
        return tries >= self._persistence.tries

    def _pause(self, tries: int) -> float:
        """Doubling, with jitter so that a relay that comes back is not met by everything at once."""
        return self._persistence.first_s * 2.0 ** (tries - 1) * self._rng.uniform(0.5, 1.0)
