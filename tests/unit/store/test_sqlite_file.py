"""The file of a store, its lock, and what can be wrong with it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meshmeter.errors import StartupError, StoreUnavailable
from meshmeter.resources.resource import Key
from meshmeter.store.base import Put
from meshmeter.store.schema import STEPS
from meshmeter.store.sqlite import SqliteStore
from meshmeter.store.token_records import TokenRecord
from support.resources import mesh
from support.store_contract import keys, labelled


def read(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


# One control plane at a time


async def test_a_second_control_plane_is_kept_out_until_the_first_has_gone(path: Path) -> None:
    first = await SqliteStore.open(path)
    with pytest.raises(StartupError) as caught:
        await SqliteStore.open(path)
    assert str(caught.value) == (
        f"another control plane is using {path.parent}: stop it, or give this one another --data-dir"
    )
    await first.close()
    await (await SqliteStore.open(path)).close()


async def test_a_failed_open_gives_the_lock_back(path: Path) -> None:
    write(path, b"no database at all" * 100)
    with pytest.raises(StoreUnavailable):
        await SqliteStore.open(path)
    os.unlink(path)
    await (await SqliteStore.open(path)).close()


# What can be wrong with the file


async def test_files_are_for_their_user_only(store: SqliteStore, path: Path) -> None:
    await store.commit([Put(mesh())])
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes) >= {"meshmeter.db", "meshmeter.db-wal", "meshmeter.db.lock"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_garbage_is_named_and_left_alone(path: Path) -> None:
    write(path, garbage := b"\x00\xffnot a database" * 1000)
    with pytest.raises(StoreUnavailable, match=r"meshmeter\.db: .*move it away, or restore a backup"):
        await SqliteStore.open(path)
    assert read(path) == garbage


async def test_a_damaged_database_is_named(path: Path) -> None:
    store = await SqliteStore.open(path)
    await store.commit([Put(mesh(f"m{n}")) for n in range(500)])
    await store.close()
    content = read(path)
    write(path, content[:8192] + b"\xa5" * (len(content) - 8192))
    with pytest.raises(StoreUnavailable, match=r"meshmeter\.db: .*restore a backup"):
        damaged = await SqliteStore.open(path)
        try:
            await damaged.contents()
        finally:
            await damaged.close()


async def test_a_newer_schema_is_refused_and_not_touched(path: Path) -> None:
    await (await SqliteStore.open(path)).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    db.close()
    with pytest.raises(StoreUnavailable, match=f"schema version {len(STEPS) + 1}, this meshmeter knows"):
        await SqliteStore.open(path)
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone()[0] == len(STEPS) + 1
    db.close()


async def test_a_directory_in_its_place_is_named(path: Path) -> None:
    os.makedirs(path)
    with pytest.raises(StoreUnavailable, match=rf"cannot open {path}: Is a directory"):
        await SqliteStore.open(path)


async def test_a_data_directory_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(StoreUnavailable, match="cannot make the directory"):
        await SqliteStore.open(tmp_path / "data" / "meshmeter.db")


async def test_a_full_disk_refuses_the_write_and_later_works_again(path: Path) -> None:
    errors: list[None] = []
    store = await SqliteStore.open(path, on_error=lambda: errors.append(None))
    await store.commit([Put(mesh())])
    await store._file.run(lambda db: db.execute("PRAGMA max_page_count = 1"))
    big = labelled(mesh("big"), text="x" * 100_000)
    with pytest.raises(StoreUnavailable, match=r"meshmeter\.db: .*free space on the file system"):
        await store.commit([Put(labelled(mesh(), n="2")), Put(big)])
    assert len(errors) == 1
    assert await keys(store) == ["Mesh default"]
    assert (await store.get(Key("Mesh", "", "default"))).meta.labels == {}

    await store._file.run(lambda db: db.execute("PRAGMA max_page_count = 100000"))
    await store.commit([Put(big)])
    assert await keys(store) == ["Mesh big", "Mesh default"]
    assert store.revision == 2
    await store.close()


async def test_a_read_only_file_system_is_named(store: SqliteStore) -> None:
    await store._file.run(lambda db: db.execute("PRAGMA query_only = ON"))
    with pytest.raises(StoreUnavailable, match="make the file and its directory writable"):
        await store.commit([Put(mesh())])


async def test_a_lock_of_another_program_is_named(path: Path) -> None:
    store = await SqliteStore.open(path, busy_seconds=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="another program holds a lock on it"):
        await store.commit([Put(mesh())])
    other.execute("ROLLBACK")
    other.close()
    await store.commit([Put(mesh())])
    await store.close()


# A file that is taken away


def take_away(path: Path, how: str) -> Callable[[], object]:
    """Do it; what undoes it."""
    file = path.with_name(path.name + "-wal") if how == "deleted beside it" else path
    away = file.rename(path.with_name("away"))
    if how == "replaced":
        shutil.copy(away, file)
    return lambda: away.replace(file)


@pytest.mark.parametrize("how", ["deleted", "replaced", "deleted beside it"])
async def test_nothing_is_acknowledged_that_would_be_lost(store: SqliteStore, path: Path, how: str) -> None:
    await store.commit([Put(mesh())])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    put_back = take_away(path, how)
    for write in (
        lambda: store.commit([Put(mesh("new"))]),
        lambda: store.put_secret("a", b"b"),
        lambda: store.delete_secret("a"),
        lambda: store.put_token(TokenRecord("t", "k", "admin", now, now)),
        lambda: store.forget_tokens(now),
    ):
        with pytest.raises(StoreUnavailable, match="while it was in use"):
            await write()
    assert store.fault is not None
    # What was known before is served.
    assert (await store.get(Key("Mesh", "", "default"))).name == "default"
    put_back()
    await store.commit([Put(mesh("new"))])
    assert store.fault is None and await keys(store) == ["Mesh default", "Mesh new"]
