"""The room that remembers: SQLite, and the only place with SQL in it."""

from dvm.store.schema import UnusableDatabase
from dvm.store.sqlite import SqliteStore, open_store

__all__ = ["SqliteStore", "UnusableDatabase", "open_store"]
