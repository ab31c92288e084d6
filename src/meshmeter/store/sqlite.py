"""The SQLite store: one file in the data directory, used by one control plane.

All work happens in one thread, in transactions that are on disk before they are acknowledged (`sqlite_file`). Events
are kept in memory for the watchers of this process; a watcher that falls too far behind is told to read everything
again.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from meshmeter.errors import NotFound, StoreUnavailable
from meshmeter.resources.resource import AnyResource, Key
from meshmeter.store import stored_resources
from meshmeter.store.base import Change, Contents, Event, Put
from meshmeter.store.event_log import EventLog
from meshmeter.store.lock import FileLock
from meshmeter.store.rows import COLUMNS, TOKEN_COLUMNS, time_text, to_record, to_token_row
from meshmeter.store.sqlite_file import SqliteFile, transaction
from meshmeter.store.token_records import TokenRecord

BUSY_SECONDS = 5.0
"""How long to wait for a lock that somebody else holds, such as a backup."""


class SqliteStore:
    """A `Store`. Make one with `open`."""

    def __init__(self, file: SqliteFile, now: Callable[[], datetime], on_error: Callable[[], None]):
        self._file = file
        self._now = now
        self._on_error = on_error
        self._log = EventLog(0)

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
        file = SqliteFile(path, lock or FileLock.of(path), on_error, busy_seconds)
        store = cls(file, now, on_error)
        try:
            store._log = EventLog(await file.open(stored_resources.revision))
        except BaseException:
            await store.close()
            raise
        return store

    @property
    def revision(self) -> int:
        """The revision of the last change that was announced to watchers."""
        return self._log.revision

    async def get(self, key: Key) -> AnyResource:
        found = await self._file.run(lambda db: stored_resources.get(db, key))
        if found is None:
            raise NotFound(key.kind, key.mesh, key.name)
        return found

    async def list(self, kind: str, mesh: str | None = None) -> Sequence[AnyResource]:
        where, parameters = "kind = ?", [kind]
        if mesh is not None:
            where, parameters = "kind = ? AND mesh = ?", [kind, mesh]
        query = f"SELECT {COLUMNS} FROM resources WHERE {where} ORDER BY mesh, name"
        return await self._file.run(lambda db: stored_resources.readable(db.execute(query, parameters))[0])

    async def contents(self) -> Contents:
        def read(db: sqlite3.Connection) -> Contents:
            with transaction(db):
                rows = db.execute(f"SELECT {COLUMNS} FROM resources ORDER BY kind, mesh, name")
                resources, unreadable = stored_resources.readable(rows)
                return Contents(stored_resources.revision(db), tuple(resources), unreadable)

        return await self._file.run(read)

    async def commit(
        self, changes: Sequence[Change], *, dry_run: bool = False
    ) -> Sequence[AnyResource | None]:
        # Shielded: once begun, a commit is finished and announced even if the request that asked for it goes away.
        return await asyncio.shield(self._commit(tuple(changes), dry_run))

    async def _commit(self, changes: tuple[Change, ...], dry_run: bool) -> Sequence[AnyResource | None]:
        results, events, fault = await self._file.run(lambda db: self._apply(db, changes, dry_run))
        if not dry_run:
            self._log.append(events)
        if fault is not None:
            self._on_error()
            raise StoreUnavailable(fault)
        return results

    def _apply(
        self, db: sqlite3.Connection, changes: tuple[Change, ...], dry_run: bool
    ) -> tuple[Sequence[AnyResource | None], Sequence[Event], str | None]:
        """One transaction. Every change gets a revision of its own, so that events have a total order.

        The last part of the result says why what was committed is lost nevertheless: the file went at that moment.
        """
        self._file.refuse_if_gone()
        results: list[AnyResource | None] = []
        events: list[Event] = []
        with transaction(db, write=True, keep=not dry_run):
            revision = stored_resources.revision(db)
            for change in changes:
                if isinstance(change, Put):
                    stored, is_new = stored_resources.put(db, change, self._now())
                    results.append(stored)
                    if is_new:
                        revision += 1
                        events.append(Event(revision, stored.key, stored))
                else:
                    results.append(None)
                    for key in stored_resources.delete(db, change.key, change.expected_version):
                        revision += 1
                        events.append(Event(revision, key, None))
            if events:
                db.execute("UPDATE revision SET value = ?", [revision])
                self._file.refuse_if_gone()
        return results, events, self._file.look()

    def watch(self, after: int) -> AsyncIterator[tuple[Event, ...]]:
        return self._log.watch(after)

    async def get_secret(self, name: str) -> bytes | None:
        query = "SELECT value FROM secrets WHERE name = ?"
        row = await self._file.run(lambda db: db.execute(query, [name]).fetchone())
        return bytes(row[0]) if row else None

    async def put_secret(self, name: str, value: bytes) -> None:
        statement = (
            "INSERT INTO secrets (name, value) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        )
        await self._file.write(lambda db: db.execute(statement, [name, value]))

    async def delete_secret(self, name: str) -> bool:
        statement = "DELETE FROM secrets WHERE name = ?"
        return await self._file.write(lambda db: db.execute(statement, [name]).rowcount > 0)

    async def secret_names(self, prefix: str = "") -> Sequence[str]:
        query = "SELECT name FROM secrets WHERE substr(name, 1, ?) = ? ORDER BY name"
        rows = await self._file.run(lambda db: db.execute(query, [len(prefix), prefix]).fetchall())
        return [name for (name,) in rows]

    async def tokens(self) -> Sequence[TokenRecord]:
        query = f"SELECT {TOKEN_COLUMNS} FROM tokens ORDER BY issued_at, id"
        return await self._file.run(lambda db: [to_record(row) for row in db.execute(query)])

    async def put_token(self, record: TokenRecord) -> None:
        statement = f"INSERT OR REPLACE INTO tokens ({TOKEN_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
        # Shielded: a revocation that has begun is finished even if who asked for it goes away.
        await asyncio.shield(self._file.write(lambda db: db.execute(statement, to_token_row(record))))

    async def forget_tokens(self, expired_before: datetime) -> int:
        statement = "DELETE FROM tokens WHERE expires_at < ?"
        return await self._file.write(lambda db: db.execute(statement, [time_text(expired_before)]).rowcount)

    @property
    def fault(self) -> str | None:
        """Why nothing can be written since the last look: the file is not the one that was opened."""
        return self._file.fault

    async def look(self) -> str | None:
        """Find out now whether the file is still the one that was opened; what `fault` says from then on."""
        return await self._file.run(lambda _db: self._file.look())

    async def close(self) -> None:
        """Finish what was begun, end every watch and let the next control plane in. A second call does nothing."""
        await self._file.close()
        self._log.close()
