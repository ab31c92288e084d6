"""Rows that somebody else has written, or damaged."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meshmeter.errors import ResourceUnreadable, StoreUnavailable
from meshmeter.resources.resource import Key
from meshmeter.store.base import Delete, Put
from meshmeter.store.sqlite import SqliteStore
from meshmeter.store.token_records import TokenRecord
from support.resources import dataplane, mesh


def damage(path: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(path) as db:
        db.execute(statement, values)
    db.close()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("document", "{"),
        ("document", '{"kind":"Gadget","name":"backend-1","mesh":"default"}'),
        ("document", '{"kind":"Mesh","name":"other","mesh":""}'),
        ("document", '{"kind":"Dataplane","name":"backend-1","mesh":"default","spec":7}'),
        ("document", '{"kind":"Dataplane","name":"backend-1","mesh":"default","annotations":[1]}'),
        ("document", "null"),
        ("document", b"\xff\xfe"),
        ("creation_time", "yesterday"),
        ("creation_time", "2026-01-01T00:00:00"),
        ("version", "many"),
    ],
)
async def test_a_row_that_cannot_be_read_costs_itself(
    store: SqliteStore, path: Path, column: str, value: object
) -> None:
    await store.commit([Put(mesh()), Put(dataplane()), Put(dataplane("backend-2"))])
    cast = "CAST(? AS TEXT)" if isinstance(value, bytes) else "?"
    damage(path, f"UPDATE resources SET {column} = {cast} WHERE name = 'backend-1'", value)
    key = Key("Dataplane", "default", "backend-1")

    contents = await store.contents()
    assert [resource.name for resource in contents.resources] == ["backend-2", "default"]
    assert set(contents.unreadable) == {key} and all(contents.unreadable.values())
    assert [resource.name for resource in await store.list("Dataplane")] == ["backend-2"]
    with pytest.raises(ResourceUnreadable, match="the stored Dataplane backend-1 of mesh default"):
        await store.get(key)
    with pytest.raises(ResourceUnreadable):
        await store.commit([Put(dataplane())])
    with pytest.raises(ResourceUnreadable):
        await store.commit([Delete(key, 1)])
    assert (await store.contents()).unreadable == contents.unreadable

    await store.commit([Delete(key)])
    assert not (await store.contents()).unreadable


async def test_a_token_whose_record_cannot_be_read_is_revoked(store: SqliteStore, path: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    await store.put_token(TokenRecord("t", "k", "admin", now, now))
    damage(path, "UPDATE tokens SET expires_at = 'never' WHERE id = 't'")
    (record,) = await store.tokens()
    assert record.id == "t" and record.revoked_at is not None and record.expires_at.year == 9999


async def test_a_database_without_its_revision_is_named(path: Path) -> None:
    store = await SqliteStore.open(path)
    await store.close()
    damage(path, "DELETE FROM revision")
    with pytest.raises(StoreUnavailable, match="has no revision"):
        await SqliteStore.open(path)
