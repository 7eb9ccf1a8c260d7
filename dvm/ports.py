"""What the engine needs from the world: the obligations of each room, without naming one.

Rooms know this file and never each other; `node.py` alone names the concrete classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from jobs.component import ComponentRef
from jobs.grant import Grant
from jobs.model import Job
from jobs.outcome import RunReport
from jobs.request import JobId
from relayclient.clock import Clock
from relayclient.event import Event
from relayclient.keys import Signer
from relayclient.verdicts import Verdict

__all__ = [
    "Change",
    "Clock",
    "Components",
    "FetchFailed",
    "Fetched",
    "JobRecord",
    "JobSummary",
    "Outgoing",
    "Refusal",
    "Relays",
    "Run",
    "Sandbox",
    "Signer",
    "Store",
    "StoryLine",
    "Transaction",
]

# Components


@dataclass(frozen=True, slots=True)
class Fetched:
    """The bytes are in the cache and their digest was checked."""

    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """No source gave the bytes. `code` is for the wire (`hash-mismatch`, `component-too-large`, `not-found`, ...)."""

    code: str
    sentence: str


class Components(Protocol):
    """Brings components to this machine and vouches for their digest."""

    async def fetch(self, ref: ComponentRef) -> Fetched | FetchFailed:
        """The file with exactly the digest of `ref`, from the cache or from the first hint that has it.

        Bounded in time and size. Never raises for what a source does. Doing it twice is harmless.
        """
        ...


# Sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one component, complete: the same `Run` gives the same output and the same fuel anywhere."""

    job: JobId
    attempt: int
    component: Path
    digest: str
    args: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    stdin: bytes
    grant: Grant
    clock: int
    """What the guest's clock shows throughout, in unix seconds."""
    seed: bytes
    """32 bytes from which all the guest's randomness is derived."""


class Sandbox(Protocol):
    """Runs strangers' code so that it can hurt nobody."""

    async def run(self, run: Run) -> RunReport:
        """Run to the end or to a limit, and report. Never raises for what a guest does.

        A cancelled call kills the guest. Bytes whose digest is not `run.digest` are never executed.
        """
        ...


# Store


@dataclass(frozen=True, slots=True)
class StoryLine:
    """One step in the life of a job, kept for people: what happened, and what was decided."""

    at: int
    fact: str
    detail: str
    before: str
    after: str
    orders: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A signed event that has to reach relays: stored before it is sent, sent as the same bytes until accepted."""

    job: JobId
    purpose: str
    """`result`, `error` or `processing`; at most one event per job and purpose exists, ever."""
    event: Event
    relays: tuple[str, ...]
    """Where the customer listens, beside the node's own relays."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that never became a job: kept so that it is answered once, however often it is seen."""

    request: Event
    seen_on: str
    code: str
    story: StoryLine
    outgoing: Outgoing


@dataclass(frozen=True, slots=True)
class Change:
    """What one fact did to one job: all of it is stored in one transaction, or none."""

    job: Job
    story: StoryLine
    outgoing: tuple[Outgoing, ...] = ()


class Transaction(Protocol):
    """Inside `Store.transaction()`: everything here commits together or not at all."""

    async def known(self, ids: Sequence[JobId]) -> set[JobId]:
        """Those of the requests that were seen before, whatever became of them."""
        ...

    async def save(self, changes: Sequence[Change | Refusal]) -> None:
        """Store job states, story lines and outgoing events, in this order."""
        ...

    async def settle(self, event_ids: Sequence[str]) -> None:
        """These outgoing events need no further sending."""
        ...

    async def move_cursor(self, relay: str, upto: int) -> None:
        """All that `relay` had up to the unix time `upto` has been handled. Never moves back."""
        ...


@dataclass(frozen=True, slots=True)
class JobSummary:
    """A row of the list that `dvm jobs` prints."""

    id: JobId
    customer: str
    component: str
    state: str
    attempt: int
    born_at: int
    code: str
    """The wire code of a job that ended badly, else empty."""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """All that is kept about one job, for `dvm jobs show`."""

    summary: JobSummary
    request: Event
    story: tuple[StoryLine, ...]
    outgoing: tuple[Outgoing, ...]


class Store(Protocol):
    """Durable state: when `transaction()` has been left without an exception, a power cut loses nothing of it."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """One writer at a time; rolled back when the block raises or is cancelled."""
        ...

    async def live_jobs(self) -> list[Job]:
        """All jobs that have not ended, oldest first."""
        ...

    async def unsettled(self, limit: int = 1_000) -> list[Outgoing]:
        """Outgoing events that still need sending, oldest first; of more than `limit` the oldest and the newest."""
        ...

    async def cursors(self) -> dict[str, int]:
        """Per relay URL, the unix time up to which everything has been handled."""
        ...

    async def summaries(self, *, limit: int, state: str | None = None) -> list[JobSummary]:
        """The newest jobs first."""
        ...

    async def record(self, prefix: str) -> JobRecord | None:
        """The one job whose id begins with `prefix` (hex digits); None if there is not exactly one."""
        ...

    async def forget(self, before: int) -> int:
        """Delete some jobs that ended before the unix time `before`; returns how many, 0 when there are no more."""
        ...


# Relays


class Relays(Protocol):
    """Carries signed events to relays."""

    async def publish(self, event: Event, relay: str) -> tuple[Verdict, str]:
        """Send once to one relay and return what it said, or TRANSIENT when it could not be reached or stayed silent.

        Bounded in time; never raises for what a relay does. Sending the same event again is harmless.
        """
        ...
