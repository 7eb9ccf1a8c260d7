"""Requests and jobs for tests: signed by real keys, read by the real parser."""

from __future__ import annotations

from dataclasses import replace

from jobs.admission import Policy, granted
from jobs.lifecycle import born
from jobs.model import Job, JobState, Msat, Offer
from jobs.outcome import Outcome, RunReport, Usage
from jobs.request import JobRequest, Malformed, NotOurs, parse_request
from relayclient.event import Draft, Event, Tags
from relayclient.keys import SecretKey

NODE = SecretKey(bytes([1]) * 32)
CUSTOMER = SecretKey(bytes([2]) * 32)
OTHER = SecretKey(bytes([3]) * 32)

NOW = 1_800_000_000
RELAY = "wss://relay.example"
DIGEST = "ab" * 32
NAMED: Tags = (("x", DIGEST, "component"),)
"""The least that a request must say."""


def request_event(
    *tags: tuple[str, ...],
    content: str = "",
    created_at: int = NOW,
    key: SecretKey = CUSTOMER,
    kind: int = 5850,
    named: bool = True,
) -> Event:
    """A signed request; names the component unless `named` is False."""
    return key.sign(Draft(kind, content, (*(NAMED if named else ()), *tags), created_at))


def read(event: Event) -> JobRequest | Malformed | NotOurs:
    return parse_request(event, NODE.public)


def taken(event: Event) -> JobRequest:
    """The request, which must be well-formed."""
    request = read(event)
    assert isinstance(request, JobRequest), request
    return request


def offer_for(request: JobRequest, deadline: int = NOW + 600) -> Offer:
    return Offer(Msat(0), granted(request.ask, Policy()), deadline)


def new_job(event: Event | None = None) -> Job:
    """A job that was just born."""
    request = taken(event or request_event())
    return born(request, offer_for(request), RELAY, NOW)[0]


def job_in(state: JobState, *, attempt: int | None = None, told: bool = False, event: Event | None = None) -> Job:
    """A job that has come as far as `state`."""
    had = {JobState.RUNNING: 1, JobState.DELIVERING: 1, JobState.DONE: 1}.get(state, 0)
    ended = None if state.live else NOW
    return replace(new_job(event), state=state, attempt=had if attempt is None else attempt, told=told, ended_at=ended)


def run_report(
    outcome: Outcome = Outcome.FINISHED, output: bytes = b"", exit_code: int = 0, **more: object
) -> RunReport:
    report = RunReport(outcome, exit_code, output, b"", Usage(fuel=7, memory_bytes=65_536, wall_ms=3), engine="test/1")
    return replace(report, **more)  # type: ignore[arg-type]


class SetClock:
    """A clock that shows what the test says."""

    def __init__(self, now: int = NOW) -> None:
        self.time = now

    def now(self) -> int:
        return self.time

    def monotonic(self) -> float:
        return float(self.time)
