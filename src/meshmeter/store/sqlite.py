"""The SQLite store: one file in the data directory, used by one control plane.

All work happens in one thread, in transactions that are on disk before they are acknowledged (WAL, synchronous=FULL).
A lock file keeps a second control plane out. Events are kept in memory for the watchers of this process; a watcher
that falls too far behind is told to read everything again.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from meshmeter.errors import (
    MeshInUse,
    MeshNotFound,
    NotFound,
    ResourceUnreadable,
    StoreUnavailable,
    VersionConflict,
)
from meshmeter.resources import dataplane, mesh
from meshmeter.resources.resource import AnyResource, Key
from meshmeter.store.base import Change, Contents, Event, Put
from meshmeter.store.event_log import EventLog
from meshmeter.store.lock import FileLock
from meshmeter.store.opened_file import OpenedFile
from meshmeter.store.rows import (
    COLUMNS,
    TOKEN_COLUMNS,
    Row,
    time_text,
    to_document,
    to_record,
    to_resource,
    to_token_row,
)
from meshmeter.store.schema import upgrade
from meshmeter.store.token_records import TokenRecord

T = TypeVar("T")

BUSY_SECONDS = 5.0
"""How long to wait for a lock that somebody else holds, such as a backup."""

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


class SqliteStore:
    """A `Store`. Make one with `open`."""

    def __init__(
        self,
        path: Path,
        lock: FileLock,
        now: Callable[[], datetime],
        on_error: Callable[[], None],
        busy_seconds: float,
    ):
        self._path = path
        self._busy_seconds = busy_seconds
        self._lock = lock
        self._now = now
        self._on_error = on_error
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._connection: sqlite3.Connection | None = None
        self._log = EventLog(0)
        self._closed = False
        self._opened: OpenedFile | None = None
        self.fault: str | None = None
        """Why nothing can be written since the last look: the file is not the one that was opened."""

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        lock: FileLock | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_error: Callable[[], None] = lambda: None,
        busy_seconds: float = BUSY_SECONDS,
    ) -> SqliteStore:
        """Open the database, making its directory, making or upgrading it as needed.

        `lock` is that of the database, if the caller has it already; the store releases it when it is closed.
        `on_error` is called, in the event loop, for every StoreUnavailable. A lock that another program holds on the
        database is waited for `busy_seconds`. Raises StartupError if another control
        plane uses the directory, StoreUnavailable if the database cannot be used.
        """
        store = cls(path, lock or FileLock.of(path), now, on_error, busy_seconds)
        try:
            store._log = EventLog(await store._run(store._open))
        except BaseException:
            await store.close()
            raise
        return store

    def _open(self) -> int:
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
        revision = _revision(connection)
        self._opened = OpenedFile(self._path)
        return revision

    @property
    def revision(self) -> int:
        """The revision of the last change that was announced to watchers."""
        return self._log.revision

    async def get(self, key: Key) -> AnyResource:
        found = await self._run(lambda: _get(self._db, key))
        if found is None:
            raise NotFound(key.kind, key.mesh, key.name)
        return found

    async def list(self, kind: str, mesh: str | None = None) -> Sequence[AnyResource]:
        where, parameters = "kind = ?", [kind]
        if mesh is not None:
            where, parameters = "kind = ? AND mesh = ?", [kind, mesh]
        query = f"SELECT {COLUMNS} FROM resources WHERE {where} ORDER BY mesh, name"
        return await self._run(lambda: _readable(self._db.execute(query, parameters))[0])

    async def contents(self) -> Contents:
        def read() -> Contents:
            with _transaction(self._db) as db:
                rows = db.execute(f"SELECT {COLUMNS} FROM resources ORDER BY kind, mesh, name")
                resources, unreadable = _readable(rows)
                return Contents(_revision(db), tuple(resources), unreadable)

        return await self._run(read)

    async def commit(
        self, changes: Sequence[Change], *, dry_run: bool = False
    ) -> Sequence[AnyResource | None]:
        # Shielded: once begun, a commit is finished and announced even if the request that asked for it goes away.
        return await asyncio.shield(self._commit(tuple(changes), dry_run))

    async def _commit(self, changes: tuple[Change, ...], dry_run: bool) -> Sequence[AnyResource | None]:
        results, events, fault = await self._run(lambda: self._apply(changes, dry_run))
        if not dry_run:
            self._log.append(events)
        if fault is not None:
            self._on_error()
            raise StoreUnavailable(fault)
        return results

    def _apply(
        self, changes: tuple[Change, ...], dry_run: bool
    ) -> tuple[Sequence[AnyResource | None], Sequence[Event], str | None]:
        """One transaction. Every change gets a revision of its own, so that events have a total order.

        The last part of the result says why what was committed is lost nevertheless: the file went at that moment.
        """
        self._refuse_if_gone()
        results: list[AnyResource | None] = []
        events: list[Event] = []
        with _transaction(self._db, write=True, keep=not dry_run) as db:
            revision = _revision(db)
            for change in changes:
                if isinstance(change, Put):
                    stored, is_new = self._put(db, change)
                    results.append(stored)
                    if is_new:
                        revision += 1
                        events.append(Event(revision, stored.key, stored))
                else:
                    results.append(None)
                    for key in _delete(db, change.key, change.expected_version):
                        revision += 1
                        events.append(Event(revision, key, None))
            if events:
                db.execute("UPDATE revision SET value = ?", [revision])
                self._refuse_if_gone()
        return results, events, self._look()

    def _put(self, db: sqlite3.Connection, change: Put) -> tuple[AnyResource, bool]:
        """The resource as it is stored now, and whether that is news."""
        resource, key = change.resource, change.resource.key
        stored = _get(db, key)
        _check_version(key, change.expected_version, stored)
        if key.mesh and not _exists(db, Key(mesh.KIND, "", key.mesh)):
            raise MeshNotFound(key.mesh)
        document = to_document(resource)
        if stored is not None and to_document(stored) == document:
            return stored, False
        now = self._now()
        meta = replace(
            resource.meta,
            version=(stored.meta.version if stored else 0) + 1,
            creation_time=stored.meta.creation_time if stored else now,
            modification_time=now,
        )
        db.execute(
            "INSERT INTO resources (kind, mesh, name, version, creation_time, modification_time, document) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, mesh, name) DO UPDATE SET version = excluded.version, "
            "modification_time = excluded.modification_time, document = excluded.document",
            [
                key.kind,
                key.mesh,
                key.name,
                meta.version,
                time_text(meta.creation_time),
                time_text(meta.modification_time),
                document,
            ],
        )
        return replace(resource, meta=meta), True

    def watch(self, after: int) -> AsyncIterator[tuple[Event, ...]]:
        return self._log.watch(after)

    async def get_secret(self, name: str) -> bytes | None:
        query = "SELECT value FROM secrets WHERE name = ?"
        row = await self._run(lambda: self._db.execute(query, [name]).fetchone())
        return bytes(row[0]) if row else None

    async def put_secret(self, name: str, value: bytes) -> None:
        statement = (
            "INSERT INTO secrets (name, value) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        )
        await self._write(lambda: self._db.execute(statement, [name, value]))

    async def delete_secret(self, name: str) -> bool:
        statement = "DELETE FROM secrets WHERE name = ?"
        return await self._write(lambda: self._db.execute(statement, [name]).rowcount > 0)

    async def secret_names(self, prefix: str = "") -> Sequence[str]:
        query = "SELECT name FROM secrets WHERE substr(name, 1, ?) = ? ORDER BY name"
        rows = await self._run(lambda: self._db.execute(query, [len(prefix), prefix]).fetchall())
        return [name for (name,) in rows]

    async def tokens(self) -> Sequence[TokenRecord]:
        query = f"SELECT {TOKEN_COLUMNS} FROM tokens ORDER BY issued_at, id"
        return await self._run(lambda: [to_record(row) for row in self._db.execute(query)])

    async def put_token(self, record: TokenRecord) -> None:
        statement = f"INSERT OR REPLACE INTO tokens ({TOKEN_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
        # Shielded: a revocation that has begun is finished even if who asked for it goes away.
        await asyncio.shield(self._write(lambda: self._db.execute(statement, to_token_row(record))))

    async def forget_tokens(self, expired_before: datetime) -> int:
        statement = "DELETE FROM tokens WHERE expires_at < ?"
        return await self._write(lambda: self._db.execute(statement, [time_text(expired_before)]).rowcount)

    async def look(self) -> str | None:
        """Find out now whether the file is still the one that was opened; what `fault` says from then on."""
        return await self._run(self._look)

    def _look(self) -> str | None:
        self.fault = self._opened.fault() if self._opened is not None else None
        return self.fault

    def _refuse_if_gone(self) -> None:
        if (fault := self._look()) is not None:
            raise StoreUnavailable(fault)

    async def _write(self, work: Callable[[], T]) -> T:
        """The same as `_run`, for what is acknowledged as written."""

        def guarded() -> T:
            self._refuse_if_gone()
            result = work()
            self._refuse_if_gone()
            return result

        return await self._run(guarded)

    async def close(self) -> None:
        """Finish what was begun, end every watch and let the next control plane in. A second call does nothing."""
        if self._closed:
            return
        self._closed = True

        def close() -> None:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

        await asyncio.get_running_loop().run_in_executor(self._thread, close)
        self._thread.shutdown()
        self._log.close()
        self._lock.release()

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreUnavailable(f"{self._path} is closed")
        return self._connection

    async def _run(self, work: Callable[[], T]) -> T:
        """The result of `work` done in the store's thread. Raises StoreUnavailable for whatever SQLite says."""
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
def _transaction(
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


def _readable(rows: Iterable[Row]) -> tuple[list[AnyResource], dict[Key, str]]:
    """The resources of these rows, and why others of them are none."""
    resources, unreadable = [], {}
    for row in rows:
        try:
            resources.append(to_resource(row))
        except ResourceUnreadable as exc:
            unreadable[Key(*row[:3])] = exc.reason
    return resources, unreadable


def _revision(db: sqlite3.Connection) -> int:
    row = db.execute("SELECT value FROM revision").fetchone()
    if row is None or not isinstance(row[0], int):
        raise StoreUnavailable("the database has no revision: the file is damaged; restore a backup")
    return row[0]


def _get(db: sqlite3.Connection, key: Key) -> AnyResource | None:
    row = db.execute(
        f"SELECT {COLUMNS} FROM resources WHERE kind = ? AND mesh = ? AND name = ?",
        [key.kind, key.mesh, key.name],
    ).fetchone()
    return to_resource(row) if row else None


def _exists(db: sqlite3.Connection, key: Key) -> bool:
    query = "SELECT 1 FROM resources WHERE kind = ? AND mesh = ? AND name = ?"
    return db.execute(query, [key.kind, key.mesh, key.name]).fetchone() is not None


def _delete(db: sqlite3.Connection, key: Key, expected: int | None) -> Sequence[Key]:
    """The keys that went: of a Mesh, everything that belongs to it first."""
    try:
        stored = _get(db, key)
    except ResourceUnreadable:
        # Who names it and no version may remove it: that is the way out.
        if expected is not None:
            raise
    else:
        if stored is None and not expected:
            raise NotFound(key.kind, key.mesh, key.name)
        _check_version(key, expected, stored)
    gone = [key]
    if key.kind == mesh.KIND:
        query = "SELECT count(*) FROM resources WHERE kind = ? AND mesh = ?"
        count = db.execute(query, [dataplane.KIND, key.name]).fetchone()[0]
        if count:
            raise MeshInUse(key.name, count)
        rows = db.execute("SELECT kind, mesh, name FROM resources WHERE mesh = ?", [key.name])
        gone = [*(Key(*row) for row in rows), key]
        prefix = f"{key.name}/"
        db.execute("DELETE FROM secrets WHERE substr(name, 1, ?) = ?", [len(prefix), prefix])
    for each in gone:
        db.execute(
            "DELETE FROM resources WHERE kind = ? AND mesh = ? AND name = ?",
            [each.kind, each.mesh, each.name],
        )
    return gone


def _check_version(key: Key, expected: int | None, stored: AnyResource | None) -> None:
    current = stored.meta.version if stored else 0
    if expected is not None and expected != current:
        raise VersionConflict(key.kind, key.mesh, key.name, expected, current)


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
