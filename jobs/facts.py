"""What can happen to a job: inputs of the life cycle, in the past tense. The counterpart is `orders`.

A fact carries what the decision needs and nothing else; `describe` tells it to people.
"""

from __future__ import annotations

from dataclasses import dataclass

from jobs.model import JobState
from jobs.outcome import RunReport


@dataclass(frozen=True, slots=True)
class PartsFetched:
    """The component is in the cache, digest checked."""

    size: int


@dataclass(frozen=True, slots=True)
class PartsMissing:
    """No source gave the component."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class SlotGranted:
    """The scheduler has a free slot for this job."""


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run of this attempt is over."""

    attempt: int
    report: RunReport


@dataclass(frozen=True, slots=True)
class WorkLingers:
    """The customer has waited for a noticeable time without hearing anything."""


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The time up to which the job may start is over. Names the state it was watched in; a stale one is late."""

    watched: JobState


@dataclass(frozen=True, slots=True)
class ResultAccepted:
    """A relay confirmed that it has the result."""

    relay: str


@dataclass(frozen=True, slots=True)
class ResultRefused:
    """Every relay refused the result for good, or stayed silent until we gave up."""

    sentence: str


@dataclass(frozen=True, slots=True)
class NodeRestarted:
    """The node came up and found the job unfinished."""


Fact = (
    PartsFetched
    | PartsMissing
    | SlotGranted
    | RunEnded
    | WorkLingers
    | DeadlinePassed
    | ResultAccepted
    | ResultRefused
    | NodeRestarted
)


def describe(fact: Fact) -> str:
    """One line for the story of the job; no customer data."""
    match fact:
        case PartsFetched(size):
            return f"{size} bytes"
        case PartsMissing(code, sentence):
            return f"{code}: {sentence}"
        case RunEnded(attempt, report):
            used = report.usage
            exit_code = f" {report.exit_code}" if report.outcome.value == "finished" else ""
            detail = f": {report.detail}" if report.detail else ""
            return (
                f"attempt {attempt} {report.outcome.value}{exit_code}, fuel {used.fuel}, "
                f"{used.memory_bytes} bytes of memory, {used.wall_ms} ms{detail}"
            )
        case DeadlinePassed(watched):
            return watched.value
        case ResultAccepted(relay):
            return relay
        case ResultRefused(sentence):
            return sentence
        case _:
            return ""
