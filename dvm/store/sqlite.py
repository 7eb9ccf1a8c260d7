"""The store on one SQLite file: one connection, one writer, every commit durable before anybody hears of it."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import aiosqlite

from dvm.ports import Change, Clock, JobRecord, JobSummary, Outgoing, Refusal, StoryLine
from dvm.store import rows
from dvm.store.schema import UnusableDatabase, prepare
from dvm.store.sql import queries
from jobs.model import Job
from jobs.request import JobId
from relayclient.event import Event

Connect = Callable[[Path], Awaitable[aiosqlite.Connection]]
T = TypeVar("T")

log = logging.getLogger(__name__)

FORGET_MAX = 500
"""Jobs deleted in one go: commits wait meanwhile, and the watchdog with them."""

_PREFIX = re.compile("[0-9a-f]{1,64}")


class StaleChange(Exception):
    """A change was computed from a state that is not the stored one: a bug, and nothing of it was stored."""


async def _connect(path: Path) -> aiosqlite.Connection:
    return await aiosqlite.connect(path, isolation_level=None)


class SqliteStore:
    """Implements `dvm.ports.Store`. Made by `open_store`; nobody else may open the file meanwhile."""

    def __init__(self, db: aiosqlite.Connection, *, me: str, clock: Clock) -> None:
        self._db, self._me, self._clock = db, me, clock
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqliteTransaction]:
        """See `Store.transaction`. What the block wrote is carried out when it has ended, in one visit.

        A caller that is cancelled meanwhile gets its CancelledError, and the transaction is stored all the same.
        """
        async with self._lock:
            tx = SqliteTransaction(self._db, self._clock)
            yield tx
            if tx.writes:
                await asyncio.shield(_visit(self._db, tx.commit))

    async def live_jobs(self) -> list[Job]:
        """A job that this version cannot read stays as it is, and does not keep the node from serving the others."""
        jobs = []
        for row in await self._all("live_jobs"):
            try:
                jobs.append(rows.read_job(row, self._me))
            except ValueError as error:
                log.error("a stored job cannot be read", extra={"job": row["id"].hex(), "problem": str(error)})
        return jobs

    async def unsettled(self, limit: int = 1_000) -> list[Outgoing]:
        return [rows.read_outgoing(row) for row in await self._all("unsettled", ((limit + 1) // 2,))]

    async def cursors(self) -> dict[str, int]:
        return {row["relay"]: row["upto"] for row in await self._all("cursors")}

    async def summaries(self, *, limit: int, state: str | None = None) -> list[JobSummary]:
        return [rows.read_summary(row) for row in await self._all("summaries", (state, limit))]

    async def record(self, prefix: str) -> JobRecord | None:
        if not _PREFIX.fullmatch(prefix):
            return None
        low, high = (bytes.fromhex(prefix.ljust(64, digit)[:64]) for digit in "0f")
        found = await self._all("by_prefix", (low, high))
        if len(found) != 1:
            return None
        job = found[0]["id"]
        story = tuple(StoryLine(*row) for row in await self._all("story_of", (job,)))
        outgoing = tuple(rows.read_outgoing(row) for row in await self._all("outgoing_of", (job,)))
        return JobRecord(rows.read_summary(found[0]), Event.from_json(found[0]["request"]), story, outgoing)

    async def forget(self, before: int) -> int:
        def work(db: sqlite3.Connection) -> int:
            return db.execute(queries()["forget"], (before, FORGET_MAX)).rowcount

        return await _visit(self._db, work)

    async def _all(self, name: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        return list(await self._db.execute_fetchall(queries()[name], values))


@dataclass(frozen=True, slots=True)
class _Write:
    """One statement for each row of values; `exact`: every row must change exactly one stored row."""

    name: str
    values: list[rows.Row]
    exact: bool = False


class SqliteTransaction:
    """Implements `dvm.ports.Transaction`: collects what is to be written; the store commits it."""

    def __init__(self, db: aiosqlite.Connection, clock: Clock) -> None:
        self._db, self._clock = db, clock
        self.writes: list[_Write] = []

    async def known(self, ids: Sequence[JobId]) -> set[JobId]:
        found = await self._db.execute_fetchall(queries()["known"], (json.dumps(ids),))
        return {JobId(row[0]) for row in found}

    async def save(self, changes: Sequence[Change | Refusal]) -> None:
        births = [change for change in changes if not change.story.before]
        moves = [change for change in changes if isinstance(change, Change) and change.story.before]
        self._write("insert_job", map(rows.new_job_row, births))
        self._write("update_job", map(rows.moved_job_row, moves), exact=True)
        self._write("insert_story", map(rows.story_row, changes))
        self._write("insert_outgoing", (row for change in changes for row in rows.outgoing_rows(change)))

    async def settle(self, event_ids: Sequence[str]) -> None:
        now = self._clock.now()
        self._write("settle", ((now, bytes.fromhex(event_id)) for event_id in event_ids))

    async def move_cursor(self, relay: str, upto: int) -> None:
        self._write("move_cursor", [(relay, upto)])

    def commit(self, db: sqlite3.Connection) -> None:
        """All or nothing; runs in the connection's thread."""
        db.execute("BEGIN IMMEDIATE")
        try:
            for write in self.writes:
                changed = db.executemany(queries()[write.name], write.values).rowcount
                if write.exact and changed != len(write.values):
                    amiss = len(write.values) - changed
                    raise StaleChange(f"{amiss} of {len(write.values)} changes do not fit the stored states")
            db.execute("COMMIT")
        except BaseException:
            db.rollback()
            raise

    def _write(self, name: str, values: Iterable[rows.Row], *, exact: bool = False) -> None:
        listed = list(values)
        if listed:
            self.writes.append(_Write(name, listed, exact))


async def _visit(db: aiosqlite.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """Do several statements in one trip to the connection's thread: each trip costs more than most statements.

    aiosqlite makes such trips by `_execute` and has no public name for it; its version is pinned, and the store's
    tests would notice.
    """
    done: T = await db._execute(work, db._conn)  # type: ignore[no-untyped-call]
    return done


async def _opened(path: Path, connect: Connect) -> aiosqlite.Connection:
    try:
        path.touch(mode=0o600, exist_ok=True)
        return await connect(path)
    except (OSError, aiosqlite.OperationalError) as error:
        raise UnusableDatabase(f"the database {path} cannot be opened ({error})") from error


@asynccontextmanager
async def open_store(path: Path, *, me: str, clock: Clock, connect: Connect = _connect) -> AsyncIterator[SqliteStore]:
    """Open or create the database file (mode 0600) and bring it to the newest schema.

    `me` is the node's public key. Raises UnusableDatabase. An unclosed connection would keep the process alive, hence
    the context manager.
    """
    db = await _opened(path, connect)
    try:
        db.row_factory = sqlite3.Row
        await db.create_function("from_hex", 1, bytes.fromhex, deterministic=True)
        await prepare(db, me)
        yield SqliteStore(db, me=me, clock=clock)
    finally:
        await asyncio.shield(db.close())
