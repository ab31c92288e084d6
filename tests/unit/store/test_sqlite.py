from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meshmeter.errors import NotFound, ResourceUnreadable, StartupError, StoreUnavailable, WatchExpired
from meshmeter.resources.resource import Key
from meshmeter.store.base import Delete, Put
from meshmeter.store.schema import STEPS
from meshmeter.store.sqlite import SqliteStore
from meshmeter.store.token_records import TokenRecord
from support.resources import dataplane, mesh
from support.store_contract import StoreContract, keys, labelled


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "meshmeter.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    opened = await SqliteStore.open(path)
    yield opened
    await opened.close()


def read(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


class TestSqlite(StoreContract):
    """The promises of every Store."""


# Over a restart


async def test_everything_is_there_after_a_restart(path: Path) -> None:
    store = await SqliteStore.open(path)
    await store.commit([Put(mesh()), Put(dataplane()), Put(labelled(mesh(), n="2"))])
    await store.put_secret("key", b"value")
    before = await store.contents()
    await store.close()

    again = await SqliteStore.open(path)
    assert await again.contents() == before
    assert again.revision == before.revision == 3
    assert await again.get_secret("key") == b"value"
    with pytest.raises(WatchExpired):
        await anext(again.watch(0))
    await again.commit([Put(mesh("new"))])
    [event] = await anext(again.watch(before.revision))
    assert (event.revision, event.key.name) == (4, "new")
    await again.close()


WRITER = """
import asyncio, itertools, sys
from pathlib import Path
from meshmeter.store.base import Put
from meshmeter.store.sqlite import SqliteStore
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import Meta, Resource

async def write(path, start):
    store = await SqliteStore.open(path)
    for n in itertools.count(start):
        await store.commit([Put(Resource("Mesh", Meta(f"{half}{n}"), MeshSpec())) for half in "ab"])
        print(n, flush=True)

asyncio.run(write(Path(sys.argv[1]), int(sys.argv[2])))
"""


async def test_kill_9_loses_no_acknowledged_write_and_halves_none(path: Path) -> None:
    acknowledged = -1
    for _ in range(3):
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(path), str(acknowledged + 1), stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout is not None
        lines = [await asyncio.wait_for(child.stdout.readline(), 60) for _ in range(25)]
        child.send_signal(signal.SIGKILL)
        lines += (await child.stdout.read()).splitlines(keepends=True)
        await child.wait()
        acknowledged = max(int(line) for line in lines if line.endswith(b"\n"))

        store = await SqliteStore.open(path)
        contents = await store.contents()
        names = {resource.name for resource in contents.resources}
        assert {f"{half}{n}" for half in "ab" for n in range(acknowledged + 1)} <= names
        assert {name[1:] for name in names if name[0] == "a"} == {
            name[1:] for name in names if name[0] == "b"
        }
        assert contents.revision == len(names)
        await store.close()


async def test_a_cancelled_request_does_not_tear_a_commit(store: SqliteStore) -> None:
    request = asyncio.create_task(store.commit([Put(mesh())]))
    await asyncio.sleep(0)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    [event] = await asyncio.wait_for(anext(store.watch(0)), 60)
    assert event.resource == await store.get(Key("Mesh", "", "default"))


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
    db = store._db
    await store._run(lambda: db.execute("PRAGMA max_page_count = 1"))
    big = labelled(mesh("big"), text="x" * 100_000)
    with pytest.raises(StoreUnavailable, match=r"meshmeter\.db: .*free space on the file system"):
        await store.commit([Put(labelled(mesh(), n="2")), Put(big)])
    assert len(errors) == 1
    assert await keys(store) == ["Mesh default"]
    assert (await store.get(Key("Mesh", "", "default"))).meta.labels == {}

    await store._run(lambda: db.execute("PRAGMA max_page_count = 100000"))
    await store.commit([Put(big)])
    assert await keys(store) == ["Mesh big", "Mesh default"]
    assert store.revision == 2
    await store.close()


async def test_a_read_only_file_system_is_named(store: SqliteStore) -> None:
    await store._run(lambda: store._db.execute("PRAGMA query_only = ON"))
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


async def test_an_online_backup_restores(store: SqliteStore, path: Path, tmp_path: Path) -> None:
    await store.commit([Put(mesh()), Put(dataplane())])
    source, backup = sqlite3.connect(path), tmp_path / "backup.db"
    source.execute("VACUUM INTO ?", [str(backup)])
    source.close()
    await store.commit([Put(mesh("later"))])

    restored = tmp_path / "restored" / "meshmeter.db"
    restored.parent.mkdir()
    shutil.copy(backup, restored)
    again = await SqliteStore.open(restored)
    assert await keys(again) == ["Dataplane default/backend-1", "Mesh default"]
    await again.close()


# The end


async def test_a_closed_store_says_so(path: Path) -> None:
    store = await SqliteStore.open(path)
    watching = asyncio.create_task(anext(store.watch(0)))
    await asyncio.sleep(0)
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.contents()
    with pytest.raises(StoreUnavailable, match="closed"):
        await watching


async def test_closing_finishes_what_was_begun(path: Path) -> None:
    store = await SqliteStore.open(path)
    writing = asyncio.create_task(store.commit([Put(mesh())]))
    for _ in range(3):
        await asyncio.sleep(0)
    await store.close()
    [written] = await writing
    again = await SqliteStore.open(path)
    assert await again.get(Key("Mesh", "", "default")) == written
    await again.close()


async def test_the_error_of_an_absent_resource_is_no_store_failure(path: Path) -> None:
    errors: list[None] = []
    store = await SqliteStore.open(path, on_error=lambda: errors.append(None))
    with pytest.raises(NotFound):
        await store.get(Key("Mesh", "", "none"))
    assert errors == []
    await store.close()


# Rows that cannot be read


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
