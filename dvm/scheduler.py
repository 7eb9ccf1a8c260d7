"""Hands free slots to queued jobs, and ends the wait of those whose time is over. `jobs.schedule` decides."""

from __future__ import annotations

import asyncio

from dvm.engine import Engine
from dvm.ports import Clock
from jobs.facts import DeadlinePassed, SlotGranted
from jobs.model import Job, JobState
from jobs.schedule import next_jobs

TICK_S = 1.0
"""How late a passed deadline may be noticed."""


class Scheduler:
    """`run` must be running; `wake` tells it that a job became ready or a slot free."""

    def __init__(self, engine: Engine, clock: Clock, *, slots: int) -> None:
        self._engine, self._clock, self._slots = engine, clock, slots
        self._changed = asyncio.Event()
        self.open = True
        """Set to False to start nothing more; jobs stay queued."""

    def wake(self) -> None:
        self._changed.set()

    def in_state(self, *states: JobState) -> list[Job]:
        """The live jobs in any of these states, in order of arrival."""
        return [job for job in self._engine.live.values() if job.state in states]

    async def run(self) -> None:
        """Grant slots for ever."""
        while True:
            self._changed.clear()
            await self._expire()  # first: after a long stop nothing starts that nobody waits for any more
            await self._grant()
            try:
                async with asyncio.timeout(TICK_S if self._engine.live else None):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _grant(self) -> None:
        if not self.open:
            return
        queued, running = self.in_state(JobState.QUEUED), self.in_state(JobState.RUNNING)
        await asyncio.gather(
            *(self._engine.absorb(job, SlotGranted()) for job in next_jobs(queued, running, self._slots))
        )

    async def _expire(self) -> None:
        now = self._clock.now()
        late = [job for job in self.in_state(JobState.FETCHING, JobState.QUEUED) if now > job.offer.deadline]
        await asyncio.gather(*(self._engine.absorb(job.id, DeadlinePassed(job.state)) for job in late))
