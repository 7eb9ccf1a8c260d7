"""Opening the database file: settings for durability, and migrations that only go forward."""

from __future__ import annotations

import aiosqlite

from dvm.store.sql import migrations, queries
from relayclient.keys import npub

APPLICATION_ID = 0x64766D31
"""Marks the file as ours (SQLite header, `PRAGMA application_id`): "dvm1"."""


class UnusableDatabase(Exception):
    """The file cannot be used; the message says why and what to do."""


async def prepare(db: aiosqlite.Connection, me: str) -> None:
    """Apply settings and missing migrations. Raises UnusableDatabase for a foreign, newer or damaged file.

    `me` is the node's public key, 64 hex digits; a file of another node is foreign too. The function `from_hex` exists.
    """
    try:
        await _check_ours(db)
        await _apply_settings(db)
        await _migrate(db)
        await _check_owner(db, me)
    except aiosqlite.OperationalError as error:  # locked, read-only, disk full: the bytes are not to blame
        raise UnusableDatabase(f"the database cannot be used now ({error})") from error
    except aiosqlite.DatabaseError as error:
        raise UnusableDatabase(f"the database cannot be read ({error}); restore it from a backup") from error


async def _check_ours(db: aiosqlite.Connection) -> None:
    application, version = await _number(db, "application_id"), await _number(db, "user_version")
    new = application == 0 and version == 0 and not await _objects(db)
    if not new and application != APPLICATION_ID:
        raise UnusableDatabase("the file is a database of another program")
    newest = migrations()[-1][0]
    if version > newest:
        told = f"it has schema {version}, this program knows {newest}"
        raise UnusableDatabase(f"the database was written by a newer dvm ({told}); install that version again")
    verdict = str(await _pragma(db, "quick_check(1)"))
    if verdict != "ok":
        what = verdict.splitlines()[-1]  # the line before it is a heading
        raise UnusableDatabase(f"the database is damaged ({what}); restore it from a backup")


async def _apply_settings(db: aiosqlite.Connection) -> None:
    if await _pragma(db, "journal_mode = WAL") != "wal":
        raise UnusableDatabase("the file system of the database cannot do WAL; move the node's home to a local disk")
    for setting in (
        "synchronous = FULL",  # NORMAL loses acknowledged commits in a power cut
        "foreign_keys = ON",
        "trusted_schema = OFF",
        "cell_size_check = ON",
        "busy_timeout = 5000",
        "journal_size_limit = 4194304",
        "wal_autocheckpoint = 1000",
    ):
        await db.execute_fetchall(f"PRAGMA {setting}")


async def _migrate(db: aiosqlite.Connection) -> None:
    version = await _number(db, "user_version")
    for number, script in migrations():
        if number > version:
            # One script, so that a crash leaves the file at the old version or at the new one. The mark is part of it:
            # a file without it is either empty or not ours.
            marks = f"PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {number};"
            await db.executescript(f"BEGIN IMMEDIATE;\n{script}\n{marks}\nCOMMIT;")


async def _check_owner(db: aiosqlite.Connection, me: str) -> None:
    """With another key the node would go on as somebody else, and leave unanswered what its customers asked it."""
    owners = [row[0] for row in await db.execute_fetchall(queries()["owner"])]
    if not owners:
        await db.execute_fetchall(queries()["take_ownership"], (me,))
    elif owners != [me]:
        told = f"the database belongs to {npub(owners[0])}, the key here is {npub(me)}"
        raise UnusableDatabase(f"{told}; put the old key back, or move the database away")


async def _objects(db: aiosqlite.Connection) -> int:
    rows = await db.execute_fetchall("SELECT count(*) FROM sqlite_schema")
    return int(next(iter(rows))[0])


async def _number(db: aiosqlite.Connection, name: str) -> int:
    return int(str(await _pragma(db, name)))


async def _pragma(db: aiosqlite.Connection, text: str) -> object:
    return next(iter(await db.execute_fetchall(f"PRAGMA {text}")))[0]
