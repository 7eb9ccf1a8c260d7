"""The node's SQLite file in a world of virtual time: the real library, without its thread, with failpoints.

`Inline` does what aiosqlite's thread does, in the same order, in the loop's own thread and a seeded moment later. A
crash takes a copy of the database and its write-ahead log as they are at that instant, and the next life opens the
copy: what SQLite then recovers is what it would recover after `kill -9`.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import aiosqlite

from tests.sim.life import Life
from tests.sim.trace import Trace

Call = tuple[asyncio.Future[Any], Callable[[], Any]]


class Dead(BaseException):
    """The process ended in the middle of a call: nothing that comes after it in the program happens."""


class Watched(sqlite3.Connection):
    """A connection that passes failpoints before and after each statement."""

    database: Database

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return self._pass(_kind(sql), lambda: super(Watched, self).execute(sql, *values))

    def executemany(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return self._pass(_kind(sql), lambda: super(Watched, self).executemany(sql, *values))

    def executescript(self, script: str) -> sqlite3.Cursor:
        return self._pass("migrate", lambda: super(Watched, self).executescript(script))

    def _pass(self, kind: str, statement: Callable[[], sqlite3.Cursor]) -> sqlite3.Cursor:
        database = self.database
        if kind == "setting":
            return statement()
        if database.life.point(f"{kind}:before"):
            raise Dead
        done = statement()
        database.happened(kind)
        if database.life.point(f"{kind}:after"):
            raise Dead
        return done


def _kind(sql: str) -> str:
    word = next(line for line in sql.splitlines() if not line.startswith("--")).split()[0]
    kinds = {"BEGIN": "begin", "COMMIT": "commit", "SELECT": "read", "PRAGMA": "setting"}
    return kinds.get(word, "write")


class Inline(aiosqlite.Connection):
    """An aiosqlite connection whose calls are made by timers: one at a time, in order, also for cancelled callers."""

    def __init__(self, database: Database, raw: sqlite3.Connection) -> None:
        super().__init__(lambda: raw, 64)
        self._connection = raw
        self._database = database
        self._calls: deque[Call] = deque()
        self._busy = False

    async def _execute(self, fn: Callable[..., Any], *args: Any, **more: Any) -> Any:
        if self._database.life.dead:
            await self._database.life.silence()
        if not self._running or self._connection is None:
            raise ValueError("Connection closed")
        future = asyncio.get_running_loop().create_future()
        self._calls.append((future, partial(fn, *args, **more)))
        self._next()
        return await future

    def stop(self) -> None:
        """There is no thread to stop."""
        self._running = False

    def _next(self) -> None:
        if not self._busy and self._calls:
            self._busy = True
            asyncio.get_running_loop().call_later(self._database.delay(), self._call)

    def _call(self) -> None:
        if self._database.life.dead:
            return
        future, function = self._calls.popleft()
        self._busy = False
        try:
            result = function()
        except Dead:
            return
        except Exception as error:
            if self._database.life.dead:
                return
            if not future.done():
                future.set_exception(error)
        else:
            if not future.done():
                future.set_result(result)
        self._next()


class Database:
    """The file as one life sees it, and an onlooker who sees only what was committed."""

    def __init__(self, life: Life, path: Path, rng: Random, trace: Trace, counts: Counter[str]) -> None:
        self.life = life
        self.path = path
        self._rng, self._trace, self._counts = rng, trace, counts
        self._open: list[Inline] = []
        self._onlooker: sqlite3.Connection | None = None
        self._story_seen = 0

    async def connect(self, path: Path) -> aiosqlite.Connection:
        """For `open_store`."""
        assert path == self.path
        raw = sqlite3.connect(path, isolation_level=None, factory=Watched)
        raw.database = self
        connection = Inline(self, raw)
        self._open.append(connection)
        if self.committed("SELECT 1 FROM sqlite_schema WHERE name = 'story'"):  # what earlier lives did is no news
            self._story_seen = self.committed("SELECT coalesce(max(rowid), 0) FROM story")[0][0]
        return connection

    def delay(self) -> float:
        """Seconds that a call takes; a card that does its housekeeping takes its time."""
        slow = self._rng.random() < 0.01
        return self._rng.uniform(0.05, 2.0) if slow else self._rng.uniform(0.000_01, 0.005)

    def happened(self, kind: str) -> None:
        """A statement was carried out."""
        self._counts[kind] += 1
        if kind == "commit":
            for job, fact, before, after, orders in self._news():
                self._trace.say("commit", f"{job[:12]} {fact}: {before or '-'} -> {after} [{orders}]")

    def _news(self) -> Iterator[tuple[str, str, str, str, str]]:
        rows = self.committed(
            "SELECT rowid, lower(hex(job)), fact, before, after, orders FROM story WHERE rowid > ? ORDER BY rowid",
            self._story_seen,
        )
        for rowid, *line in rows:
            self._story_seen = rowid
            yield line[0], line[1], line[2], line[3], line[4]

    def committed(self, query: str, *values: object) -> list[Any]:
        """What stands in the file for good, whatever the node's own connection is about to write."""
        if self._onlooker is None:
            self._onlooker = sqlite3.connect(self.path)
        return self._onlooker.execute(query, values).fetchall()

    def rescue(self, folder: Path) -> Path:
        """Copy what a power switch leaves behind; returns the copy's path. The node's own connection is lost."""
        folder.mkdir()
        for suffix in ("", "-wal"):  # the third file, -shm, is an index that recovery builds anew
            source = self.path.with_name(self.path.name + suffix)
            if source.exists():
                shutil.copyfile(source, folder / source.name)
        self.close()
        return folder / self.path.name

    def close(self) -> None:
        """Let go of everything that is still open."""
        if self._onlooker is not None:
            self._onlooker.close()
            self._onlooker = None
        for connection in self._open:
            raw, connection._connection = connection._connection, None
            if raw is not None:
                raw.close()
        self._open.clear()
