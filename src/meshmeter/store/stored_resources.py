"""The resources in an SQLite database: read, put and deleted within a transaction of the caller."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

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
from meshmeter.store.base import Put
from meshmeter.store.rows import COLUMNS, Row, time_text, to_document, to_resource


def readable(rows: Iterable[Row]) -> tuple[list[AnyResource], dict[Key, str]]:
    """The resources of these rows, and why others of them are none."""
    resources, unreadable = [], {}
    for row in rows:
        try:
            resources.append(to_resource(row))
        except ResourceUnreadable as exc:
            unreadable[Key(*row[:3])] = exc.reason
    return resources, unreadable


def revision(db: sqlite3.Connection) -> int:
    """That of the last change. Raises StoreUnavailable."""
    row = db.execute("SELECT value FROM revision").fetchone()
    if row is None or not isinstance(row[0], int):
        raise StoreUnavailable("the database has no revision: the file is damaged; restore a backup")
    return row[0]


def get(db: sqlite3.Connection, key: Key) -> AnyResource | None:
    """The resource, or None. Raises ResourceUnreadable."""
    row = db.execute(
        f"SELECT {COLUMNS} FROM resources WHERE kind = ? AND mesh = ? AND name = ?",
        [key.kind, key.mesh, key.name],
    ).fetchone()
    return to_resource(row) if row else None


def put(db: sqlite3.Connection, change: Put, now: datetime) -> tuple[AnyResource, bool]:
    """The resource as it is stored now, and whether that is news. Raises MeshNotFound, VersionConflict."""
    resource, key = change.resource, change.resource.key
    stored = get(db, key)
    _check_version(key, change.expected_version, stored)
    if key.mesh and not _exists(db, Key(mesh.KIND, "", key.mesh)):
        raise MeshNotFound(key.mesh)
    document = to_document(resource)
    if stored is not None and to_document(stored) == document:
        return stored, False
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


def _exists(db: sqlite3.Connection, key: Key) -> bool:
    query = "SELECT 1 FROM resources WHERE kind = ? AND mesh = ? AND name = ?"
    return db.execute(query, [key.kind, key.mesh, key.name]).fetchone() is not None


def delete(db: sqlite3.Connection, key: Key, expected: int | None) -> Sequence[Key]:
    """The keys that went: of a Mesh, everything that belongs to it first. Raises NotFound, MeshInUse,
    VersionConflict."""
    try:
        stored = get(db, key)
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
