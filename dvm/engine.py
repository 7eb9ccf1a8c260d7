"""The heart: facts in, one durable transaction, and only then the world hears.

The only place that changes a job. Facts that arrive while a commit is under way share the next one, so that under load
many jobs share one fsync. `live` is always what was committed last; the database is its authority at start.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from dvm.batch import Batch
from dvm.ports import Change, Clock, Outgoing, Signer, Store
from jobs.admission import Declines, Policy
from jobs.facts import Fact, NodeRestarted
from jobs.lifecycle import ImpossibleTransition
from jobs.model import Job
from jobs.orders import Order
from jobs.request import JobId, JobRequest, Malformed
from relayclient.event import Event

log = logging.getLogger(__name__)

QUEUE_MAX = 1_024
BATCH_MAX = 64
NOTE_DELAY_S = 1.0
"""How long what needs no commit of its own waits for one to ride with."""

Done = asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class _Arrival:
    event: Event
    read: JobRequest | Malformed
    seen_on: str


@dataclass(frozen=True, slots=True)
class _Stimulus:
    job: JobId
    fact: Fact
    done: Done


@dataclass(frozen=True, slots=True)
class _CursorMove:
    relay: str
    upto: int


@dataclass(frozen=True, slots=True)
class _Pulse:
    done: Done


@dataclass(frozen=True, slots=True)
class _Note:
    """Nothing new: what was noted has waited long enough for a commit to ride with."""


@dataclass(frozen=True, slots=True)
class _Close:
    """The last item: nothing behind it is taken."""


_Item = _Arrival | _Stimulus | _CursorMove | _Pulse | _Note | _Close


class Consequences(Protocol):
    """Who carries out what was committed. Called after the commit, in order; must not block."""

    def __call__(self, job: Job | None, orders: tuple[Order, ...], outgoing: tuple[Outgoing, ...]) -> None: ...


class Engine:
    """Absorbs facts in batches. `run` must be running; `live` may be read by all and is written here alone."""

    def __init__(self, *, store: Store, signer: Signer, clock: Clock, policy: Policy) -> None:
        self.live: dict[JobId, Job] = {}
        self._live_of: Counter[str] = Counter()
        self._store, self._signer, self._clock, self._policy = store, signer, clock, policy
        self._queue: asyncio.Queue[_Item] = asyncio.Queue(QUEUE_MAX)
        self._declines = Declines(policy)
        self._settled: list[str] = []
        self._consequences: Consequences | None = None

    def tell(self, consequences: Consequences) -> None:
        """Where committed orders go. Called once, before `run`."""
        self._consequences = consequences

    # What the rest of the node calls.

    async def receive(self, event: Event, read: JobRequest | Malformed, seen_on: str) -> None:
        """Take a request, in order of arrival. Returns when it is queued, not when it is stored."""
        await self._queue.put(_Arrival(event, read, seen_on))

    async def absorb(self, job: JobId, fact: Fact) -> None:
        """Apply a fact. Returns when all that follows is durable; raises ImpossibleTransition."""
        done: Done = asyncio.get_running_loop().create_future()
        await self._queue.put(_Stimulus(job, fact, done))
        await done

    async def move_cursor(self, relay: str, upto: int) -> None:
        """`relay` was handled up to the unix time `upto`; stored after all that was received before this call."""
        await self._queue.put(_CursorMove(relay, upto))

    def settle(self, event_id: str) -> None:
        """An outgoing event needs no more sending. A crash may forget it: then it is sent once more, unchanged."""
        if not self._settled:
            asyncio.get_running_loop().call_later(NOTE_DELAY_S, self._ride)
        self._settled.append(event_id)

    async def pulse(self) -> None:
        """Returns when everything queued before has been committed: a sign of life for the watchdog."""
        done: Done = asyncio.get_running_loop().create_future()
        await self._queue.put(_Pulse(done))
        await done

    async def close(self) -> None:
        """Let `run` commit what is queued and noted, and return."""
        await self._queue.put(_Close())

    # Start and loop.

    async def restore(self) -> list[Outgoing]:
        """Load what was unfinished when the node stopped; call before `run`. Returns the answers still to be sent."""
        for job in await self._store.live_jobs():
            self._remember(job)
        return await self._store.unsettled()

    async def resume(self) -> None:
        """Tell every restored job that the node restarted; call once, before new requests are received."""
        await asyncio.gather(*(self.absorb(job, NodeRestarted()) for job in list(self.live)))

    async def run(self) -> None:
        """Commit batches until `close`. Raises when the store fails: a node that cannot remember must not go on."""
        closing = False
        while not closing:
            batch = await self._next_batch()
            closing = any(isinstance(item, _Close) for item in batch)
            await self._commit(batch)

    async def _next_batch(self) -> list[_Item]:
        items = [await self._queue.get()]
        while len(items) < BATCH_MAX and not self._queue.empty():
            items.append(self._queue.get_nowait())
        return items

    def _ride(self) -> None:
        if self._settled and self._queue.empty():
            self._queue.put_nowait(_Note())

    async def _commit(self, items: list[_Item]) -> None:
        settled, self._settled = self._settled, []
        arriving = [JobId(item.event.id) for item in items if isinstance(item, _Arrival)]
        refused: dict[Done, ImpossibleTransition] = {}
        async with self._store.transaction() as tx:
            known = await tx.known(arriving) if arriving else set()
            batch = self._batch(known)
            for item in items:
                _apply(item, batch, refused)
            if batch.effects:
                await tx.save([effect.change for effect in batch.effects])
            if settled:
                await tx.settle(settled)
            for item in items:
                if isinstance(item, _CursorMove):
                    await tx.move_cursor(item.relay, item.upto)
        self._publish(batch)
        for item in items:
            if isinstance(item, _Stimulus | _Pulse) and not item.done.done():  # else its caller was cancelled
                _answer(item.done, refused.get(item.done))

    def _batch(self, known: set[JobId]) -> Batch:
        return Batch(
            live=self.live,
            live_of=self._live_of,
            known=known,
            signer=self._signer,
            policy=self._policy,
            declines=self._declines,
            clock=self._clock,
        )

    def _publish(self, batch: Batch) -> None:
        """After the commit: remember what is true now, and let the orders go."""
        for job in batch.jobs.values():
            self._remember(job)
        moved: Job | None
        for effect in batch.effects:
            change = effect.change
            if isinstance(change, Change):
                moved, job_id, outgoing = change.job, change.job.id, change.outgoing
            else:
                moved, job_id, outgoing = None, JobId(change.request.id), (change.outgoing,)
            step = {"action": "job_moved", "job": job_id, "fact": change.story.fact, "state": change.story.after}
            log.info("job moved", extra=step)
            if self._consequences is not None:
                self._consequences(moved, effect.orders, outgoing)

    def _remember(self, job: Job) -> None:
        customer = job.request.customer
        self._live_of[customer] += job.state.live - (job.id in self.live)
        if job.state.live:
            self.live[job.id] = job
        else:
            self.live.pop(job.id, None)
        if not self._live_of[customer]:
            del self._live_of[customer]


def _apply(item: _Item, batch: Batch, refused: dict[Done, ImpossibleTransition]) -> None:
    match item:
        case _Arrival(event, read, seen_on):
            batch.arrive(event, read, seen_on)
        case _Stimulus(job, fact, done):
            try:
                batch.advance(job, fact)
            except ImpossibleTransition as bug:
                log.error("impossible transition", extra={"action": "bug", "job": job, "problem": str(bug)})
                refused[done] = bug


def _answer(done: Done, error: ImpossibleTransition | None) -> None:
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
