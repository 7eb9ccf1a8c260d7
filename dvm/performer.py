"""Carries out the orders Fetch and StartRun, and reports what came of them as facts. Publishing is the outbox's."""

from __future__ import annotations

import asyncio

from dvm.engine import Engine
from dvm.ports import Components, Fetched, Run, Sandbox
from dvm.supervise import Supervisor
from jobs.facts import Fact, PartsFetched, PartsMissing, RunEnded, WorkLingers
from jobs.model import Job
from jobs.orders import Fetch, Order, StartRun
from jobs.request import JobId

LINGER_S = 0.5
"""After this time without an answer the customer is told that work is going on."""


class Performer:
    """One task for each order in work; their number is bounded by the live jobs that admission allows."""

    def __init__(self, engine: Engine, components: Components, sandbox: Sandbox, tasks: Supervisor) -> None:
        self._engine, self._components, self._sandbox, self._tasks = engine, components, sandbox, tasks
        self._young: asyncio.Queue[tuple[float, JobId]] = asyncio.Queue()

    def take(self, job: Job, order: Order) -> None:
        """Begin to carry out an order that was committed."""
        match order:
            case Fetch():
                self._young.put_nowait((asyncio.get_running_loop().time() + LINGER_S, job.id))
                self._tasks.start(self._fetch(job), name=f"fetch {job.id[:12]}")
            case StartRun(attempt):
                self._tasks.start(self._run(job, attempt), name=f"run {job.id[:12]}")

    async def watch(self) -> None:
        """Tell, for ever, the customers who have waited. The delay is the same for all: a queue serves as the timer."""
        while True:
            due, job_id = await self._young.get()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            if job_id in self._engine.live:
                await self._engine.absorb(job_id, WorkLingers())

    async def _fetch(self, job: Job) -> None:
        fetched = await self._components.fetch(job.request.component)
        fact: Fact
        if isinstance(fetched, Fetched):
            fact = PartsFetched(fetched.size)
        else:
            fact = PartsMissing(fetched.code, fetched.sentence)
        await self._engine.absorb(job.id, fact)

    async def _run(self, job: Job, attempt: int) -> None:
        # Once more: the cache may have evicted it while the job was queued. Otherwise this costs next to nothing.
        fetched = await self._components.fetch(job.request.component)
        if not isinstance(fetched, Fetched):
            await self._engine.absorb(job.id, PartsMissing(fetched.code, fetched.sentence))
            return
        request = job.request
        report = await self._sandbox.run(
            Run(
                job=job.id,
                attempt=attempt,
                component=fetched.path,
                digest=request.component.digest,
                args=request.args,
                env=request.env,
                stdin=request.stdin,
                grant=job.offer.grant,
                clock=request.event.created_at,
                seed=request.seed,
            )
        )
        await self._engine.absorb(job.id, RunEnded(attempt, report))
