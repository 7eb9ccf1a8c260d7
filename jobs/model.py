"""The record of a job and the words for its states."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NewType

from jobs.grant import Grant
from jobs.request import JobId, JobRequest

Msat = NewType("Msat", int)
"""Money: integer millisatoshi, never a float."""


class JobState(Enum):
    """Where a job stands. NIP-90's status words are the wire's; these are ours."""

    FETCHING = "fetching"
    """Accepted; its component is being brought to this machine."""
    QUEUED = "queued"
    """Everything is here; waits for a free slot."""
    RUNNING = "running"
    """A sandboxed child runs it, or did when the node was last alive."""
    DELIVERING = "delivering"
    """The result is signed and stored; no relay has confirmed it yet."""
    DONE = "done"
    """At least one relay has the result."""
    FAILED = "failed"
    """Ended without a result; the customer got, or gets, one error."""
    DECLINED = "declined"
    """Never accepted; the customer got, or gets, one error."""

    @property
    def live(self) -> bool:
        """Whether anything is still to be done."""
        return self not in ENDED


ENDED = frozenset({JobState.DONE, JobState.FAILED, JobState.DECLINED})


@dataclass(frozen=True, slots=True)
class Offer:
    """The terms on which a request was accepted."""

    price: Msat
    grant: Grant
    deadline: int
    """Unix time after which the job is not started any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One request and how far it has come. Changed by `lifecycle.advance` alone."""

    request: JobRequest
    offer: Offer
    state: JobState
    seen_on: str
    """URL of the relay that brought the request first; a hint for the customer's clients."""
    born_at: int
    attempt: int = 0
    """Runs granted so far. A run's report names the attempt that made it; a stale one changes nothing."""
    told: bool = False
    """Whether the customer was told that work is going on."""
    code: str = ""
    """The wire code of a job that ended badly."""
    ended_at: int | None = None

    @property
    def id(self) -> JobId:
        """The id of the request event: the same request is the same job wherever it is seen."""
        return self.request.id
