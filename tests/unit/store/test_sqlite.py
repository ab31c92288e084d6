from __future__ import annotations

import asyncio
import shutil
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from meshmeter.errors import NotFound, StoreUnavailable, WatchExpired
from meshmeter.resources.resource import Key
from meshmeter.store.base import Put
from meshmeter.store.sqlite import SqliteStore
from support.resources import dataplane, mesh
from support.store_contract import StoreContract, keys, labelled


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
