"""Whether a database is sound: SQLite's own check, in a connection of its own that keeps no writer waiting."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

MOST_FAULTS = 5
"""Faults of a damaged database that are repeated."""

DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
"""Beginnings of the names of errors that say so."""


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that makes no file and changes nothing. Raises sqlite3.Error."""
    address = (
        f"{path.absolute().as_uri()}?mode=rw"  # read-only ones cannot always join a database in WAL mode
    )
    connection = sqlite3.connect(
        address, uri=True, timeout=5.0, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA query_only = ON")
    return connection


def damage(connection: sqlite3.Connection, *, thorough: bool = False) -> str | None:
    """What is wrong inside the database, None if nothing is; `thorough` also compares indexes with tables.

    Raises sqlite3.Error if that cannot be found out.
    """
    check = "integrity_check" if thorough else "quick_check"
    try:
        found = [str(row[0]) for row in connection.execute(f"PRAGMA {check}({MOST_FAULTS})")]
    except sqlite3.Error as exc:
        if (getattr(exc, "sqlite_errorname", "") or "").startswith(DAMAGE):
            return str(exc)
        raise
    return None if found == ["ok"] else "; ".join(found)


async def look_for_damage(
    path: Path, *, check: Callable[[sqlite3.Connection], str | None] = damage
) -> str | None:
    """The same for a database in use, in a thread of its own, which ends early if the caller does not wait."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="quick-check")
    running: list[sqlite3.Connection] = []

    def work() -> str | None:
        with closing(connect_to_read(path)) as connection:
            running.append(connection)
            return check(connection)

    try:
        return await asyncio.get_running_loop().run_in_executor(thread, work)
    except asyncio.CancelledError:
        for connection in running:
            with suppress(sqlite3.ProgrammingError):  # it is closed: the check has ended at this moment
                connection.interrupt()
        raise
    finally:
        thread.shutdown(wait=False)
