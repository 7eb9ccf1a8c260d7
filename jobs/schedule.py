"""Which queued job starts next: a function of a snapshot, so that it can be read and tested as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from jobs.model import Job
from jobs.request import JobId


def next_jobs(queued: Collection[Job], running: Iterable[Job], slots: int) -> list[JobId]:
    """The jobs to start now, so that at most `slots` run; `queued` is in order of arrival within a second.

    The customer with the fewest running jobs comes first, then the oldest job: one customer's thousand requests
    delay another's single one by one run, not by a thousand.
    """
    busy = Counter(job.request.customer for job in running)
    free = slots - busy.total()
    waiting = sorted(queued, key=lambda job: job.born_at) if free > 0 else []
    chosen: list[JobId] = []
    while waiting and len(chosen) < free:
        job = min(waiting, key=lambda job: busy[job.request.customer])
        waiting.remove(job)
        busy[job.request.customer] += 1
        chosen.append(job.id)
    return chosen
