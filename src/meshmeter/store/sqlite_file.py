"""SqliteFile: one database in one file, used in one thread, by one control plane.

A lock file keeps a second control plane out. What is written is on disk before it is acknowledged (WAL,
synchronous=FULL), and in the file that bears the name.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from meshmeter.errors import StoreUnavailable
from meshmeter.store.lock import FileLock
from meshmeter.store.opened_file import OpenedFile
from meshmeter.store.schema import upgrade

T = TypeVar("T")

LEAST_FREE = 256 << 10
"""Bytes: a file system that has less is full, whatever an error is called."""

REMEDIES = {
    "SQLITE_FULL": "free space on the file system",
    "SQLITE_READONLY": "make the file and its directory writable for the control plane's user",
    "SQLITE_CANTOPEN": "check that the directory exists and is writable for the control plane's user",
    "SQLITE_NOTADB": "it is no database; move it away, or restore a backup",
    "SQLITE_CORRUPT": "the file is damaged; restore a backup",
    "SQLITE_BUSY": "another program holds a lock on it; end that program",
    "SQLITE_IOERR": "the disk reports an error; look into the system's log",
}
"""What the user can do about an SQLite error, by the beginning of its name."""


class SqliteFile:
    """`open` it first. What `open`, `run` and `write` are given is called with the connection, in the file's thread."""

    def __init__(self, path: Path, lock: FileLock, on_error: Callable[[], None], busy_seconds: float):
        self._path = path
        self._lock = lock
        self._on_error = on_error
        self._busy_seconds = busy_seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self._opened: OpenedFile | None = None
        self.fault: str | None = None
        """Why nothing can be written since the last look: the file is not the one that was opened."""

    async def open(self, first: Callable[[sqlite3.Connection], T]) -> T:
        """Open or make the database, in this version's schema; the result of `first`, which looks into it. Raises
        StoreUnavailable."""

        def work() -> T:
            connection = self._connect()
            result = first(connection)
            self._opened = OpenedFile(self._path)
            return result

        return await self._in_thread(work)

    def _connect(self) -> sqlite3.Connection:
        try:
            # Made here, so that the file and those beside it are never open to others.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            os.chmod(self._path, 0o600)
        except OSError as exc:
            raise StoreUnavailable(
                f"cannot open {self._path}: {exc.strerror}; it must be a file that the control plane's user can write"
            ) from exc
        connection = sqlite3.connect(self._path, timeout=self._busy_seconds, isolation_level=None)
        # Text that is no UTF-8 costs its own row, and not the query.
        connection.text_factory = lambda text: text.decode(errors="surrogateescape")
        self._connection = connection
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        upgrade(connection, str(self._path))
        return connection

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The result of `work`. Raises what it raises, and StoreUnavailable for whatever SQLite says."""
        return await self._in_thread(lambda: work(self._db))

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The same for what is acknowledged as written."""

        def guarded(db: sqlite3.Connection) -> T:
            self.refuse_if_gone()
            result = work(db)
            self.refuse_if_gone()
            return result

        return await self.run(guarded)

    def look(self) -> str | None:
        """Find out now whether the file is still the one that was opened; what `fault` says from then on. In the
        file's thread only."""
        self.fault = self._opened.fault() if self._opened is not None else None
        return self.fault

    def refuse_if_gone(self) -> None:
        """Raise StoreUnavailable if the file is not the one that was opened. In the file's thread only."""
        if (fault := self.look()) is not None:
            raise StoreUnavailable(fault)

    async def close(self) -> None:
        """Finish what was begun and let the next control plane in. A second call does nothing."""
        if self._closed:
            return
        self._closed = True

        def close() -> None:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

        await asyncio.get_running_loop().run_in_executor(self._thread, close)
        self._thread.shutdown()
        self._lock.release()

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreUnavailable(f"{self._path} is closed")
        return self._connection

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise StoreUnavailable(f"{self._path} is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except StoreUnavailable:
            self._on_error()
            raise
        except sqlite3.Error as exc:
            self._on_error()
            raise StoreUnavailable(_explain(self._path, exc)) from exc


@contextmanager
def transaction(
    db: sqlite3.Connection, *, write: bool = False, keep: bool = True
) -> Iterator[sqlite3.Connection]:
    """All or nothing; nothing too if `keep` is false."""
    db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
    try:
        yield db
        db.execute("COMMIT" if keep else "ROLLBACK")
    except BaseException:
        # Some errors, a full disk for one, have ended the transaction already.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _explain(path: Path, exc: sqlite3.Error) -> str:
    name, what = getattr(exc, "sqlite_errorname", "") or "", str(exc)
    if name.startswith("SQLITE_IOERR") and _is_full(path.parent):
        # What SQLite says where the file for its shared memory, or one of a transaction, has no room.
        name, what = "SQLITE_FULL", "database or disk is full"
    remedy = next((text for beginning, text in REMEDIES.items() if name.startswith(beginning)), "")
    return f"{path}: {what}" + (f": {remedy}" if remedy else "")


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < LEAST_FREE
    except OSError:
        return False
