"""Opening the database file: settings for durability, and migrations that only go forward."""

from __future__ import annotations

import aiosqlite

from dvm.store.sql import migrations

APPLICATION_ID = 0x64766D31
"""Marks the file as ours (SQLite header, `PRAGMA application_id`): "dvm1"."""


class UnusableDatabase(Exception):
    """The file cannot be used; the message says why and what to do."""


async def prepare(db: aiosqlite.Connection) -> None:
    """Apply settings and missing migrations. Raises UnusableDatabase for a foreign, newer or damaged file."""
    await _check_ours(db)
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",  # NORMAL loses acknowledged commits in a power cut
        "foreign_keys = ON",
        "trusted_schema = OFF",
        "cell_size_check = ON",
        "busy_timeout = 5000",
        "journal_size_limit = 4194304",
        "wal_autocheckpoint = 1000",
    ):
        await db.execute_fetchall(f"PRAGMA {pragma}")
    version = await _pragma(db, "user_version")
    for number, script in migrations():
        if number > version:
            # One script, so that a crash leaves the file at the old version or at the new one.
            await db.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")


async def _check_ours(db: aiosqlite.Connection) -> None:
    try:
        application, version = await _pragma(db, "application_id"), await _pragma(db, "user_version")
        verdict = next(iter(await db.execute_fetchall("PRAGMA quick_check(1)")))[0]
    except aiosqlite.DatabaseError as error:
        raise UnusableDatabase(f"the database cannot be read ({error}); restore it from a backup") from error
    if verdict != "ok":
        raise UnusableDatabase(f"the database is damaged ({verdict}); restore it from a backup")
    newest = migrations()[-1][0]
    if version > newest:
        told = f"it has schema {version}, this program knows {newest}"
        raise UnusableDatabase(f"the database was written by a newer dvm ({told}); install that version again")
    if application == 0 and version == 0:
        await db.execute_fetchall(f"PRAGMA application_id = {APPLICATION_ID}")
    elif application != APPLICATION_ID:
        raise UnusableDatabase("the file is a database of another program")


async def _pragma(db: aiosqlite.Connection, name: str) -> int:
    return int(next(iter(await db.execute_fetchall(f"PRAGMA {name}")))[0])
