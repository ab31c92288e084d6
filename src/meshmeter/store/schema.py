"""The SQLite schema, as steps. A database remembers how many it has taken (`PRAGMA user_version`)."""

from __future__ import annotations

import sqlite3

from meshmeter.errors import StoreUnavailable

STEPS: tuple[tuple[str, ...], ...] = (
    (
        # `document` is the resource without version and times, in canonical JSON: equal text is equal content.
        """CREATE TABLE resources (
            kind TEXT NOT NULL,
            mesh TEXT NOT NULL,
            name TEXT NOT NULL,
            version INTEGER NOT NULL,
            creation_time TEXT NOT NULL,
            modification_time TEXT NOT NULL,
            document TEXT NOT NULL,
            PRIMARY KEY (kind, mesh, name)
        ) WITHOUT ROWID""",
        "CREATE TABLE revision (one INTEGER PRIMARY KEY CHECK (one = 1), value INTEGER NOT NULL)",
        "INSERT INTO revision (one, value) VALUES (1, 0)",
        "CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    ),
    (
        # Times are ISO 8601 in UTC, so that they sort as text. `subject` is JSON.
        """CREATE TABLE tokens (
            id TEXT PRIMARY KEY,
            key_id TEXT NOT NULL,
            audience TEXT NOT NULL,
            issued_at TEXT NOT NULL,
            expires_at TEXT NOT NULL,
            revoked_at TEXT,
            subject TEXT NOT NULL
        ) WITHOUT ROWID""",
    ),
)
"""Step n brings a database from version n to n + 1. Steps are never changed once released, only added."""


def upgrade(connection: sqlite3.Connection, path: str) -> None:
    """Take the steps that are missing, each in one transaction.

    Raises StoreUnavailable if the database was written by a newer meshmeter.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(STEPS):
        raise StoreUnavailable(
            f"{path} has schema version {version}, this meshmeter knows versions up to {len(STEPS)}: "
            "run the newer meshmeter that wrote it, or restore a backup from before the upgrade"
        )
    for number in range(version, len(STEPS)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in STEPS[number]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number + 1}")
        except sqlite3.Error:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
