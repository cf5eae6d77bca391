"""The connections that Django makes to SQLite."""

import sqlite3
from typing import Any


class Connection(sqlite3.Connection):
    """Closes itself where it cannot be set up.

    Django runs its first statements as it opens a connection. Where one fails, as on a full disk,
    it forgets the connection, which stands in a reference cycle with its own cache of statements:
    each try left open files behind until a full garbage collection, and kept SQLite from closing
    those of later connections. Everything after the opening goes through cursors, not here.
    """

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Run a statement."""
        try:
            return super().execute(sql, parameters)
        except sqlite3.Error:
            self.close()
            raise
