"""Between rows and values. Stored requests were verified when they came in; they are verified again when read back."""

from __future__ import annotations

import json
import sqlite3

from dvm.ports import Change, JobSummary, Outgoing, Refusal
from jobs.grant import Grant
from jobs.model import Job, JobState, Msat, Offer
from jobs.request import JobId, JobRequest, parse_request
from relayclient.event import Event

Row = tuple[object, ...]


def new_job_row(change: Change | Refusal) -> Row:
    """For `insert_job`."""
    if isinstance(change, Refusal):
        request = change.request
        head = (_blob(request.id), _blob(request.pubkey), None, request.to_json(), change.seen_on, change.story.at)
        return (*head, JobState.DECLINED.value, 0, 0, change.code, change.story.at, 0, None, None)
    job = change.job
    event, offer = job.request.event, job.offer
    return (
        *(_blob(job.id), _blob(event.pubkey), _blob(job.request.component.digest), event.to_json()),
        *(job.seen_on, job.born_at, job.state.value, job.attempt, job.told, job.code, job.ended_at),
        *(offer.price, json.dumps(offer.grant.to_wire()), offer.deadline),
    )


def moved_job_row(change: Change) -> Row:
    """For `update_job`."""
    job = change.job
    values = (job.state.value, job.attempt, job.told, job.code, job.ended_at)
    return (*values, _blob(job.id), change.story.before)


def story_row(change: Change | Refusal) -> Row:
    job = change.request.id if isinstance(change, Refusal) else change.job.id
    line = change.story
    return (_blob(job), line.at, line.fact, line.detail, line.before, line.after, line.orders)


def outgoing_rows(change: Change | Refusal) -> list[Row]:
    outgoing = (change.outgoing,) if isinstance(change, Refusal) else change.outgoing
    return [(_blob(o.event.id), _blob(o.job), o.purpose, o.event.to_json(), json.dumps(o.relays)) for o in outgoing]


def read_job(row: sqlite3.Row, me: str) -> Job:
    """A live job. Raises ValueError when the row cannot be what was stored."""
    event = Event.from_json(row["request"])
    request = parse_request(event, me, kind=event.kind)
    if not isinstance(request, JobRequest):
        raise ValueError(f"the stored request of job {event.id} is not one that this version takes: {request}")
    return Job(
        request=request,
        offer=Offer(Msat(row["price"]), Grant.from_wire(json.loads(row["limits"])), row["deadline"]),
        state=JobState(row["state"]),
        seen_on=row["seen_on"],
        born_at=row["born_at"],
        attempt=row["attempt"],
        told=bool(row["told"]),
        code=row["code"],
        ended_at=row["ended_at"],
    )


def read_summary(row: sqlite3.Row) -> JobSummary:
    return JobSummary(
        id=JobId(row["id"].hex()),
        customer=row["customer"].hex(),
        component=row["component"].hex() if row["component"] else "",
        state=row["state"],
        attempt=row["attempt"],
        born_at=row["born_at"],
        code=row["code"],
    )


def read_outgoing(row: sqlite3.Row) -> Outgoing:
    event = Event.from_json(row["event"])
    return Outgoing(JobId(row["job"].hex()), row["purpose"], event, tuple(json.loads(row["relays"])))


def _blob(hex_digits: str) -> bytes:
    return bytes.fromhex(hex_digits)
