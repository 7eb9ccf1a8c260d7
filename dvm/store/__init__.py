"""The room that remembers: SQLite, and the only place with SQL in it."""
