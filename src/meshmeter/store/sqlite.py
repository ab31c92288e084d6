"""The SQLite store: one file in the data directory, used by one control plane.

All work happens in one thread, in transactions that are on disk before they are acknowledged (WAL, synchronous=FULL).
A lock file keeps a second control plane out. Events are kept in memory for the watchers of this process; a watcher
that falls too far behind is told to read everything again.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from meshmeter.errors import (
    MeshInUse,
    MeshNotFound,
    NotFound,
    StartupError,
    StoreUnavailable,
    VersionConflict,
    WatchExpired,
)
from meshmeter.resources import codec, dataplane, mesh
from meshmeter.resources.resource import EPOCH, AnyResource, Key
from meshmeter.store.base import Change, Contents, Event, Put
from meshmeter.store.schema import upgrade

T = TypeVar("T")
Results = list[AnyResource | None]
Events = list[Event]

KEPT_EVENTS = 10_000
"""How many events a watcher may be behind."""

BUSY_SECONDS = 5.0
"""How long to wait for a lock that somebody else holds, such as a backup."""


class SqliteStore:
    """A `Store`. Make one with `open`."""

    def __init__(self, path: Path, lock: int, now: Callable[[], datetime]):
        self._path = path
        self._lock = lock
        self._now = now
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._connection: sqlite3.Connection | None = None
        self._events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._first_kept = 1
        self._revision = 0
        self._changed = asyncio.Event()

    @classmethod
    async def open(
        cls, path: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> SqliteStore:
        """Open the database, making or upgrading it as needed.

        Raises StartupError if another control plane uses it, StoreUnavailable if it cannot be used.
        """
        store = cls(path, _take_lock(path), now)
        try:
            store._revision = await store._run(store._open)
        except BaseException:
            await store.close()
            raise
        store._first_kept = store._revision + 1
        return store

    def _open(self) -> int:
        connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
        self._connection = connection
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        upgrade(connection, str(self._path))
        os.chmod(self._path, 0o600)
        return _revision(connection)

    @property
    def revision(self) -> int:
        """The revision of the last committed change."""
        return self._revision

    async def get(self, key: Key) -> AnyResource:
        found = await self._run(lambda: _get(self._db, key))
        if found is None:
            raise NotFound(key.kind, key.mesh, key.name)
        return found

    async def list(self, kind: str, mesh: str | None = None) -> Sequence[AnyResource]:
        where, parameters = "kind = ?", [kind]
        if mesh is not None:
            where, parameters = "kind = ? AND mesh = ?", [kind, mesh]
        query = f"SELECT {_COLUMNS} FROM resources WHERE {where} ORDER BY mesh, name"
        return await self._run(lambda: [_resource(row) for row in self._db.execute(query, parameters)])

    async def contents(self) -> Contents:
        def read() -> Contents:
            db = self._db
            db.execute("BEGIN")
            try:
                rows = db.execute(f"SELECT {_COLUMNS} FROM resources ORDER BY kind, mesh, name")
                return Contents(_revision(db), tuple(_resource(row) for row in rows))
            finally:
                db.execute("COMMIT")

        return await self._run(read)

    async def commit(
        self, changes: Sequence[Change], *, dry_run: bool = False
    ) -> Sequence[AnyResource | None]:
        # Shielded: once begun, a commit is finished and announced even if the request that asked for it goes away.
        return await asyncio.shield(self._commit(tuple(changes), dry_run))

    async def _commit(self, changes: tuple[Change, ...], dry_run: bool) -> Sequence[AnyResource | None]:
        results, events = await self._run(lambda: self._apply(changes, dry_run))
        if events:
            while len(self._events) + len(events) > KEPT_EVENTS and self._events:
                self._events.popleft()
            self._events.extend(events)
            self._first_kept = self._events[0].revision
            self._revision = events[-1].revision
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()
        return results

    def _apply(
        self, changes: tuple[Change, ...], dry_run: bool
    ) -> tuple[Sequence[AnyResource | None], Sequence[Event]]:
        """One transaction. Every change gets a revision of its own, so that events have a total order."""
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            revision = before = _revision(db)
            results: Results = []
            events: Events = []
            for change in changes:
                if isinstance(change, Put):
                    stored, is_new = self._put(db, change)
                    results.append(stored)
                    gone: Sequence[Key] = ()
                    if is_new:
                        revision += 1
                        events.append(Event(revision, stored.key, stored))
                else:
                    results.append(None)
                    gone = self._delete(db, change.key, change.expected_version)
                for key in gone:
                    revision += 1
                    events.append(Event(revision, key, None))
            if revision != before:
                db.execute("UPDATE revision SET value = ?", [revision])
            db.execute("ROLLBACK" if dry_run else "COMMIT")
            return results, [] if dry_run else events
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _put(self, db: sqlite3.Connection, change: Put) -> tuple[AnyResource, bool]:
        resource, key = change.resource, change.resource.key
        stored = _get(db, key)
        _check_version(key, change.expected_version, stored)
        if key.mesh and _get(db, Key(mesh.KIND, "", key.mesh)) is None:
            raise MeshNotFound(key.mesh)
        document = _document(resource)
        if stored is not None and _document(stored) == document:
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
                meta.creation_time.isoformat(),
                meta.modification_time.isoformat(),
                document,
            ],
        )
        return replace(resource, meta=meta), True

    def _delete(self, db: sqlite3.Connection, key: Key, expected: int | None) -> Sequence[Key]:
        """The keys that went: of a Mesh, also everything that belongs to it."""
        stored = _get(db, key)
        if stored is None and not expected:
            raise NotFound(key.kind, key.mesh, key.name)
        _check_version(key, expected, stored)
        gone = [key]
        if key.kind == mesh.KIND:
            count = db.execute(
                "SELECT count(*) FROM resources WHERE kind = ? AND mesh = ?", [dataplane.KIND, key.name]
            ).fetchone()[0]
            if count:
                raise MeshInUse(key.name, count)
            rows = db.execute("SELECT kind, mesh, name FROM resources WHERE mesh = ?", [key.name])
            gone = [*(Key(*row) for row in rows), key]
            db.execute("DELETE FROM secrets WHERE name LIKE ? ESCAPE '\\'", [_like(key.name) + ".%"])
        for each in gone:
            db.execute(
                "DELETE FROM resources WHERE kind = ? AND mesh = ? AND name = ?",
                [each.kind, each.mesh, each.name],
            )
        return gone

    async def watch(self, after: int) -> AsyncIterator[tuple[Event, ...]]:
        while True:
            changed = self._changed
            if after + 1 < self._first_kept:
                raise WatchExpired(f"events before {self._first_kept} are no longer kept")
            events = tuple(event for event in self._events if event.revision > after)
            if events:
                after = events[-1].revision
                yield events
            else:
                await changed.wait()

    async def get_secret(self, name: str) -> bytes | None:
        query = "SELECT value FROM secrets WHERE name = ?"
        row = await self._run(lambda: self._db.execute(query, [name]).fetchone())
        return bytes(row[0]) if row else None

    async def put_secret(self, name: str, value: bytes) -> None:
        statement = (
            "INSERT INTO secrets (name, value) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        )
        await self._run(lambda: self._db.execute(statement, [name, value]))

    async def close(self) -> None:
        """Finish what was begun, and let the next control plane in."""

        def close() -> None:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

        await asyncio.get_running_loop().run_in_executor(self._thread, close)
        self._thread.shutdown()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreUnavailable(f"{self._path} is closed")
        return self._connection

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as exc:
            raise StoreUnavailable(_explain(self._path, exc)) from exc


_COLUMNS = "document, version, creation_time, modification_time"


def _revision(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT value FROM revision").fetchone()[0])


def _get(db: sqlite3.Connection, key: Key) -> AnyResource | None:
    row = db.execute(
        f"SELECT {_COLUMNS} FROM resources WHERE kind = ? AND mesh = ? AND name = ?",
        [key.kind, key.mesh, key.name],
    ).fetchone()
    return _resource(row) if row else None


def _resource(row: tuple[str, int, str, str]) -> AnyResource:
    document, version, created, modified = row
    resource = codec.from_stored(json.loads(document))
    meta = replace(
        resource.meta,
        version=version,
        creation_time=datetime.fromisoformat(created),
        modification_time=datetime.fromisoformat(modified),
    )
    return replace(resource, meta=meta)


def _document(resource: AnyResource) -> str:
    meta = replace(resource.meta, version=0, creation_time=EPOCH, modification_time=EPOCH)
    return json.dumps(codec.to_stored(replace(resource, meta=meta)), sort_keys=True, separators=(",", ":"))


def _check_version(key: Key, expected: int | None, stored: AnyResource | None) -> None:
    current = stored.meta.version if stored else 0
    if expected is not None and expected != current:
        raise VersionConflict(key.kind, key.mesh, key.name, expected, current)


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _take_lock(path: Path) -> int:
    """An open file that holds the lock until it is closed, even by kill -9."""
    lock_path = path.with_name(path.name + ".lock")
    try:
        lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise StoreUnavailable(f"cannot open {lock_path}: {exc.strerror}; check the directory") from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        os.close(lock)
        raise StartupError(
            f"another control plane is using {path.parent}: stop it, or give this one another --data-dir"
        ) from exc
    return lock


def _explain(path: Path, exc: sqlite3.Error) -> str:
    """What the user can do about an SQLite error."""
    code = getattr(exc, "sqlite_errorname", "") or ""
    remedies = {
        "SQLITE_FULL": "free space on the file system",
        "SQLITE_READONLY": "make the file and its directory writable for the control plane's user",
        "SQLITE_CANTOPEN": "check that the directory exists and is writable for the control plane's user",
        "SQLITE_NOTADB": "it is no database; move it away, or restore a backup",
        "SQLITE_CORRUPT": "the file is damaged; restore a backup",
        "SQLITE_BUSY": "another program holds a lock on it; end that program",
        "SQLITE_IOERR": "the disk reports an error; look into the system's log",
    }
    remedy = next((text for name, text in remedies.items() if code.startswith(name)), "")
    return f"{path}: {exc}" + (f": {remedy}" if remedy else "")
