"""What must hold, whatever happened: while events are sent, whenever a life ends, and when all is quiet.

1  runs <= 1 + interruptions for each job, each attempt at most once, none before its grant is durable
2  one answer for each request that is ours, on every own relay; none for any other
3  the same bytes each time that an answer is sent, and none sent that is not durable
4  what is settled is held by every own relay
5  in the end nothing lives, nothing waits to be sent, no request is missing
6  the story of each job is a chain that leads to its state, and orders exactly what was published
7  the work is bounded: re-runs by interruptions, reads of the database by what came in
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from relayclient.event import Event
from tests.sim.customers import Asking
from tests.sim.database import Database
from tests.sim.relay import Relay
from tests.sim.rooms import Book

LIVE = ("fetching", "queued", "running", "delivering")


class Broken(AssertionError):
    """The run cannot go on."""


class Sent:
    """All bytes that the node ever handed to a wire as an event (3)."""

    def __init__(self, node: str) -> None:
        self.count = 0
        self.wrongs: list[str] = []
        self._node = node
        self._frames: dict[tuple[str, str], str] = {}

    def check(self, frame: str, database: Database) -> None:
        self.count += 1
        raw = json.loads(frame)[1]
        request, purpose = about(raw["tags"]), purpose_of(raw["kind"], raw["tags"])
        first = self._frames.setdefault((request, purpose), frame)
        if first != frame:
            self.wrongs.append(f"the {purpose} of {request[:12]} was sent with other bytes than before")
        query = "SELECT event FROM outbox WHERE job = ? AND purpose = ?"
        stored = database.committed(query, bytes.fromhex(request), purpose)
        if [f'["EVENT",{event}]' for (event,) in stored] != [frame]:
            self.wrongs.append(f"the {purpose} of {request[:12]} was sent, and is not what is stored")
        if raw["pubkey"] != self._node:
            self.wrongs.append("the node sent an event that is not its own")


def about(tags: Sequence[Sequence[str]]) -> str:
    """The request that an answer is about."""
    return next(tag[1] for tag in tags if tag[0] == "e")


def purpose_of(kind: int, tags: Sequence[Sequence[str]]) -> str:
    return "result" if kind == 6850 else next(tag[1] for tag in tags if tag[0] == "status")


# Whenever a life ends


def settled_means_held(database: Database, own: Sequence[Relay]) -> list[str]:
    """Promise 4; no run is as long as the outbox's patience. That work goes on is said once and may be missed."""
    if not database.committed("SELECT 1 FROM sqlite_schema WHERE name = 'outbox'"):
        return []
    settled = database.committed(
        "SELECT lower(hex(event_id)), purpose FROM outbox "
        "WHERE settled_at IS NOT NULL AND purpose <> 'processing'"  # which is tried once: later it is out of date
    )
    return [
        f"the {purpose} {event[:12]} is settled, and {relay.url} does not have it"
        for event, purpose in settled
        for relay in own
        if event not in relay.events and event not in relay.refused
    ]


def quiet(database: Database, asked: Sequence[Asking]) -> bool:
    """Whether every request that is ours is known, none lives, and nothing waits to be sent."""
    known = {row[0] for row in database.committed("SELECT lower(hex(id)) FROM jobs")}
    live = database.committed("SELECT 1 FROM jobs WHERE ended_at IS NULL")
    unsent = database.committed("SELECT 1 FROM outbox WHERE settled_at IS NULL")
    return not live and not unsent and all(a.event.id in known for a in asked if a.answered)


# When all is quiet


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is left at the end of a run."""

    node: str
    path: Path
    asked: list[Asking]
    own: list[Relay]
    relays: list[Relay]
    book: Book
    interruptions: int
    slots: int
    counts: Counter[str]
    minutes: float
    """Virtual ones, of the whole run."""


def final(evidence: Evidence) -> list[str]:
    """Every broken promise."""
    with closing(sqlite3.connect(evidence.path)) as db:
        db.row_factory = sqlite3.Row
        return [*_answers(evidence, db), *_ended(evidence, db), *_stories(db), *_runs(evidence, db), *_cost(evidence)]


def totals(book: Book, path: Path) -> Counter[str]:
    """Sums for the report."""
    with closing(sqlite3.connect(path)) as db:
        jobs, accepted, done = db.execute(
            "SELECT count(*), count(deadline), count(CASE state WHEN 'done' THEN 1 END) FROM jobs"
        ).fetchone()
    again = len(book.runs) - len({job for _, job, _ in book.runs})
    return Counter({"known": jobs, "accepted": accepted, "done": done, "runs": len(book.runs), "re-runs": again})


def _answers(evidence: Evidence, db: sqlite3.Connection) -> Iterator[str]:
    query = "SELECT lower(hex(job)), lower(hex(event_id)) FROM outbox WHERE purpose <> 'processing'"
    ends_by_request = dict(db.execute(query).fetchall())
    ours = {asking.event.id: asking for asking in evidence.asked if asking.answered}
    for relay in evidence.relays:
        given: defaultdict[str, list[Event]] = defaultdict(list)
        for event in relay.events.values():
            if event.pubkey == evidence.node:
                given[about(event.tags)].append(event)
        for request in given.keys() - ours.keys():
            yield f"{relay.url} holds an answer to {request[:12]}, which is not ours to answer"
        for request, asking in ours.items():
            purposes = Counter(purpose_of(event.kind, event.tags) for event in given[request])
            ends = purposes["result"] + purposes["error"]
            missing = ends == 0 and relay in evidence.own and ends_by_request.get(request) not in relay.refused
            if ends > 1 or purposes["processing"] > 1 or missing:
                yield f"{relay.url} holds {dict(purposes)} for the {asking.what} request {request[:12]}"
            if asking.what == "malformed" and purposes["result"]:
                yield f"the malformed request {request[:12]} got a result"


def _ended(evidence: Evidence, db: sqlite3.Connection) -> Iterator[str]:
    known = {row["id"].hex(): row for row in db.execute("SELECT * FROM jobs")}
    held, held_anywhere = _results(evidence, evidence.own), _results(evidence, evidence.relays)
    for asking in evidence.asked:
        if asking.answered != (asking.event.id in known):
            yield f"the {asking.what} request {asking.event.id[:12]} is {'not ' if asking.answered else ''}in the store"
    for job, row in known.items():
        if job in held and row["state"] != "done":
            yield f"job {job[:12]} is {row['state']}, and a relay has its result"
        if row["state"] == "done" and job not in held_anywhere:
            yield f"job {job[:12]} is done, and no relay has its result"
        if row["state"] in LIVE or row["ended_at"] is None:
            yield f"job {job[:12]} is still {row['state']}"
    for (event,) in db.execute("SELECT lower(hex(event_id)) FROM outbox WHERE settled_at IS NULL"):
        yield f"answer {event[:12]} still waits to be sent"


def _results(evidence: Evidence, relays: list[Relay]) -> set[str]:
    """The requests to which one of these relays holds a result."""
    events = [event for relay in relays for event in relay.events.values()]
    return {about(event.tags) for event in events if (event.pubkey, event.kind) == (evidence.node, 6850)}


def _stories(db: sqlite3.Connection) -> Iterator[str]:
    for job in db.execute("SELECT id, state, attempt FROM jobs").fetchall():
        name, state, grants = job["id"].hex()[:12], "", 0
        ordered: list[str] = []
        for line in db.execute("SELECT * FROM story WHERE job = ? ORDER BY rowid", (job["id"],)):
            if line["before"] != state:
                yield f"the story of {name} jumps from {state or 'nothing'} to {line['before'] or 'nothing'}"
            state = line["after"]
            grants += line["fact"] == "SlotGranted"
            ordered += [o.removeprefix("publish ") for o in line["orders"].split(", ") if o.startswith("publish ")]
        stored = [row[0] for row in db.execute("SELECT purpose FROM outbox WHERE job = ?", (job["id"],))]
        if (state, grants) != (job["state"], job["attempt"]):
            told = f"{state} after {grants} grants"
            yield f"the story of {name} ends {told}, the job is {job['state']} in attempt {job['attempt']}"
        if sorted(stored) != sorted(ordered):
            yield f"the story of {name} orders {ordered}, the outbox holds {stored}"


def _runs(evidence: Evidence, db: sqlite3.Connection) -> Iterator[str]:
    runs = [(job, attempt) for _, job, attempt in evidence.book.runs]
    for (job, attempt), times in Counter(runs).items():
        if times > 1:
            yield f"attempt {attempt} of {job[:12]} was run {times} times"
    for job, times in Counter(job for job, _ in runs).items():
        if times > 1 + evidence.interruptions:
            yield f"{job[:12]} was run {times} times with {evidence.interruptions} interruptions"
    for row in db.execute("SELECT lower(hex(id)) AS id, attempt FROM jobs WHERE state = 'done'"):
        if (row["id"], row["attempt"]) not in runs:
            yield f"{row['id'][:12]} has a result and was never run"


READS_PER_START = 8
"""Settings, live jobs, unsent answers, cursors."""


def _cost(evidence: Evidence) -> Iterator[str]:
    counts = evidence.counts
    allowed = counts["heard"] + READS_PER_START * counts["starts"] + evidence.minutes  # one sweep a minute
    if counts["read"] > allowed:
        yield f"the database was read {counts['read']} times; what came in explains {allowed:.0f}"
    runs = [job for _, job, _ in evidence.book.runs]
    again, most = len(runs) - len(set(runs)), evidence.slots * evidence.interruptions
    if again > most:
        yield f"{again} runs were repeated; {evidence.interruptions} interruptions explain {most}"
