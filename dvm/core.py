"""The node's moving parts, put together from ports. No room is named here, so that a simulation runs this wiring."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random

from dvm.engine import Engine
from dvm.intake import Intake
from dvm.outbox import Outbox
from dvm.performer import Performer
from dvm.ports import Clock, Components, Outgoing, Relays, Sandbox, Signer, Store
from dvm.scheduler import Scheduler
from dvm.supervise import Supervisor
from jobs.admission import Policy
from jobs.model import Job, JobState
from jobs.orders import Order, Publish
from relayclient.filters import Filter
from relayclient.pool import Pool

SUBSCRIPTION = "jobs"
FORGET_EVERY_S = 3_600.0
FORGET_PAUSE_S = 0.1
"""Between portions, in which jobs go on."""
SWEEP_EVERY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything outside the core, injected."""

    store: Store
    signer: Signer
    clock: Clock
    rng: Random
    components: Components
    sandbox: Sandbox
    relays: Relays


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the operator chose."""

    kind: int
    policy: Policy
    own_relays: tuple[str, ...]
    slots: int
    retention_s: int


class Core:
    """Engine, scheduler, performer, outbox and intake, connected. `intake.hear` takes the pool's news."""

    def __init__(self, world: World, terms: Terms, tasks: Supervisor) -> None:
        self._store, self._clock, self._tasks, self._terms = world.store, world.clock, tasks, terms
        self._me = world.signer.public_key
        self.engine = Engine(store=world.store, signer=world.signer, clock=world.clock, policy=terms.policy)
        self.scheduler = Scheduler(self.engine, world.clock, slots=terms.slots)
        self.performer = Performer(self.engine, world.components, world.sandbox, tasks)
        self.outbox = Outbox(self.engine, world.relays, tasks, own=terms.own_relays, clock=world.clock, rng=world.rng)
        self.intake = Intake(self.engine, me=self._me, kind=terms.kind)
        self.engine.tell(self._carry_out)
        self._engine_run: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take up where the last life ended, then run until the tasks are cancelled or `drain` was called."""
        unsent = await self.engine.restore()
        self._engine_run = self._tasks.start(self.engine.run(), name="engine")
        await self.engine.resume()
        for outgoing in unsent:
            self.outbox.take(outgoing)
        self._tasks.start(self.scheduler.run(), name="scheduler")
        self._tasks.start(self.performer.watch(), name="performer")
        self._tasks.start(self._forget(), name="forget")
        self._tasks.start(self._sweep(), name="sweep")

    async def listen(self, pool: Pool) -> None:
        """Have requests brought by the own relays, after `start`.

        From where each relay was last handled; from one never heard before, the oldest requests that are still taken.
        """
        policy, own = self._terms.policy, self._terms.own_relays
        tags = {} if policy.open_jobs else {"p": (self._me,)}
        now = self._clock.now()
        oldest = now - policy.oldest_s
        stored = await self._store.cursors()
        # A cursor in the future is the trace of a clock that was wrong: it says nothing about the time before now.
        cursors = {relay: upto for relay, upto in stored.items() if upto <= now + policy.future_s}
        for relay in own:
            pool.add(relay)
        since = {relay: max(cursors.get(relay, oldest), oldest) for relay in own}
        pool.subscribe(SUBSCRIPTION, (Filter(kinds=(self._terms.kind,), tags=tags),), since)

    async def drain(self, grace_s: float) -> None:
        """Stop taking requests, let runs end and answers go out within the grace time, and commit all that is known.

        What does not end in time is taken up by the next start. The tasks are then the caller's to cancel.
        """
        self.intake.open = self.scheduler.open = False
        try:
            async with asyncio.timeout(grace_s):
                # Polled: two things to wait for, once in a life.
                while self.scheduler.in_state(JobState.RUNNING) or self.outbox.unheard:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pass
        await self.engine.close()
        if self._engine_run is not None:
            await self._engine_run

    def _carry_out(self, job: Job | None, orders: tuple[Order, ...], outgoing: tuple[Outgoing, ...]) -> None:
        for answer in outgoing:
            self.outbox.take(answer)
        for order in orders:
            if job is not None and not isinstance(order, Publish):
                self.performer.take(job, order)
        self.scheduler.wake()

    async def _sweep(self) -> None:
        """Send again what is stored and not under way: relays that were away may be back."""
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            await self.engine.pulse()  # what was just settled is not to be found again
            for outgoing in await self._store.unsettled():
                self.outbox.take(outgoing)

    async def _forget(self) -> None:
        """Delete what ended long ago. The retention is longer than the age up to which requests are looked at."""
        while True:
            forgotten = await self._store.forget(self._clock.now() - self._terms.retention_s)
            await asyncio.sleep(FORGET_PAUSE_S if forgotten else FORGET_EVERY_S)
