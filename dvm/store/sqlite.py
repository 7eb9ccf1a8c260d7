"""The store on one SQLite file: one connection, one writer, every commit durable before anybody hears of it."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiosqlite

from dvm.ports import Change, Clock, JobRecord, JobSummary, Outgoing, Refusal, StoryLine
from dvm.store import rows
from dvm.store.schema import UnusableDatabase, prepare
from dvm.store.sql import queries
from jobs.model import Job
from jobs.request import JobId
from relayclient.event import Event

Connect = Callable[[Path], Awaitable[aiosqlite.Connection]]

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
        """See `Store.transaction`. The end of a transaction is shielded: a cancelled caller leaves none half open."""
        async with self._lock:
            try:
                await self._run("BEGIN IMMEDIATE")
                yield SqliteTransaction(self._db, self._clock)
                await asyncio.shield(self._run("COMMIT"))
            except BaseException:
                # What was cancelled, BEGIN and COMMIT included, is carried out all the same, in the order of the calls;
                # rollback comes after it, and does nothing when no transaction is open.
                await asyncio.shield(self._db.rollback())
                raise

    async def live_jobs(self) -> list[Job]:
        return [rows.read_job(row, self._me) for row in await self._all("live_jobs")]

    async def unsettled(self) -> list[Outgoing]:
        return [rows.read_outgoing(row) for row in await self._all("unsettled")]

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
        async with self._lock:
            cursor = await self._db.execute(queries()["forget"], (before,))
            count = cursor.rowcount
            await cursor.close()
            return count

    async def _all(self, name: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        async with self._lock:  # otherwise one would read the uncommitted rows of the writer
            return list(await self._db.execute_fetchall(queries()[name], values))

    async def _run(self, statement: str) -> None:
        await self._db.execute_fetchall(statement)


class SqliteTransaction:
    """Implements `dvm.ports.Transaction`."""

    def __init__(self, db: aiosqlite.Connection, clock: Clock) -> None:
        self._db, self._clock = db, clock

    async def known(self, ids: Sequence[JobId]) -> set[JobId]:
        found = await self._db.execute_fetchall(queries()["known"], (json.dumps(ids),))
        return {JobId(row[0]) for row in found}

    async def save(self, changes: Sequence[Change | Refusal]) -> None:
        births = [change for change in changes if not change.story.before]
        moves = [change for change in changes if isinstance(change, Change) and change.story.before]
        await self._many("insert_job", map(rows.new_job_row, births))
        moved = await self._many("update_job", map(rows.moved_job_row, moves))
        if moved != len(moves):
            raise StaleChange(f"{len(moves) - moved} of {len(moves)} changes do not fit the stored states")
        await self._many("insert_story", map(rows.story_row, changes))
        await self._many("insert_outgoing", (row for change in changes for row in rows.outgoing_rows(change)))

    async def settle(self, event_ids: Sequence[str]) -> None:
        now = self._clock.now()
        await self._many("settle", ((now, bytes.fromhex(event_id)) for event_id in event_ids))

    async def move_cursor(self, relay: str, upto: int) -> None:
        await self._many("move_cursor", [(relay, upto)])

    async def _many(self, name: str, values: Iterable[Sequence[object]]) -> int:
        """Run one statement for each row of values, in one visit to the database; returns the rows changed."""
        listed = list(values)
        if not listed:
            return 0
        cursor = await self._db.executemany(queries()[name], listed)
        count = cursor.rowcount
        await cursor.close()
        return count


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
        await prepare(db)
        yield SqliteStore(db, me=me, clock=clock)
    finally:
        await asyncio.shield(db.close())
