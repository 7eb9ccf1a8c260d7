"""The two rooms that would need a network and a processor: a source of components and a sandbox, seeded."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from dvm.ports import Fetched, FetchFailed, Run
from jobs.component import ComponentRef
from jobs.outcome import Outcome, RunReport, Usage
from tests.sim.database import Database
from tests.sim.life import Life
from tests.sim.trace import Trace


@dataclass
class Book:
    """What the rooms did, over all lives."""

    runs: list[tuple[int, str, int]] = field(default_factory=list)
    """Life, job and attempt of every run that was started."""
    fetches: Counter[str] = field(default_factory=Counter)
    wrongs: list[str] = field(default_factory=list)
    """What must not happen, and did."""


@dataclass
class Components:
    """Finds most components, mostly fast. Which ones never exist hangs on the digest."""

    life: Life
    rng: Random
    book: Book
    trace: Trace

    async def fetch(self, ref: ComponentRef) -> Fetched | FetchFailed:
        await self.life.at("fetch:before")
        self.book.fetches[ref.digest] += 1
        slow = self.rng.random() < 0.1
        await asyncio.sleep(self.rng.uniform(0.0, 20.0 if slow else 0.1))
        missing = exists(ref.digest) is False or self.rng.random() < 0.02
        await self.life.at("fetch:after")
        self.trace.say(self.life.name, f"fetched {ref.digest[:12]}{': not found' if missing else ''}")
        if missing:
            return FetchFailed("not-found", "no source has the component")
        return Fetched(Path("/components") / ref.digest, 1_000)


@dataclass
class Sandbox:
    """Runs that take seeded time and end in every way. The same job ends the same way; only its wall time differs."""

    life: Life
    rng: Random
    book: Book
    trace: Trace
    database: Database

    async def run(self, run: Run) -> RunReport:
        await self.life.at("run:before")
        self._started(run)
        wall_s = self.rng.expovariate(1 / self.rng.choice((0.05, 0.5, 5.0, 30.0)))
        await asyncio.sleep(min(wall_s, 60.0))
        await self.life.at("run:after")
        report = outcome(run, int(wall_s * 1_000))
        self.trace.say(self.life.name, f"ran {run.job[:12]} attempt {run.attempt}: {report.outcome.value}")
        return report

    def _started(self, run: Run) -> None:
        self.trace.say(self.life.name, f"runs {run.job[:12]} attempt {run.attempt}")
        self.book.runs.append((self.life.number, run.job, run.attempt))
        query = "SELECT state, attempt FROM jobs WHERE id = ?"
        stored = self.database.committed(query, bytes.fromhex(run.job))
        if stored != [("running", run.attempt)]:
            self.book.wrongs.append(
                f"attempt {run.attempt} of {run.job[:12]} was started while the store says {stored}"
            )


def exists(digest: str) -> bool:
    """Whether anybody has the component."""
    return int(digest[:2], 16) >= 32


def outcome(run: Run, wall_ms: int) -> RunReport:
    """How this job ends, whenever it is run."""
    rng = Random(f"outcome {run.job}")
    how = rng.choices((Outcome.FINISHED, rng.choice(list(Outcome))), (8, 2))[0]
    output = hashlib.sha256(run.job.encode()).digest() * rng.choice((0, 1, 40)) if rng.random() < 0.5 else run.stdin
    usage = Usage(fuel=rng.randrange(10**9), memory_bytes=65_536, wall_ms=wall_ms)
    return RunReport(how, rng.choice((0, 0, 1)), output, b"log", usage, "as the seed wants", "simulated/1")
