"""A database that is sound, and one that is not."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from meshmeter.store.base import Put
from meshmeter.store.soundness import connect_to_read, damage, look_for_damage
from meshmeter.store.sqlite import SqliteStore
from support.resources import mesh


async def filled(path: Path) -> SqliteStore:
    store = await SqliteStore.open(path)
    await store.commit([Put(mesh(f"m{number}")) for number in range(200)])
    return store


def spoil(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(5 * 4096)
        file.write(b"\xa5" * 8192)


async def test_damage_is_found_and_nothing_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    store = await filled(path)
    assert await look_for_damage(path) is None
    await store.close()
    spoil(path)
    before = path.read_bytes()
    assert await look_for_damage(path)
    with closing(connect_to_read(path)) as connection:
        assert damage(connection, thorough=True)
        with pytest.raises(sqlite3.OperationalError):
            connection.execute("DELETE FROM resources")
    assert path.read_bytes() == before


async def test_a_file_that_is_no_database_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    path.write_bytes(b"no database" * 1000)
    assert "not a database" in str(await look_for_damage(path))


async def test_what_cannot_be_checked_is_no_damage_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.Error):
        await look_for_damage(tmp_path / "none")
    assert not (tmp_path / "none").exists()


async def test_writers_do_not_wait_for_a_check_and_it_ends_with_its_task(tmp_path: Path) -> None:
    store = await filled(tmp_path / "m.db")
    checking, go = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> str | None:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM resources").fetchone()
        checking.set()
        go.wait(60)
        return damage(connection)

    task = asyncio.create_task(look_for_damage(tmp_path / "m.db", check=slow))
    async with asyncio.timeout(60):
        await asyncio.to_thread(checking.wait, 30)
        await store.commit([Put(mesh("new"))])
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    go.set()
    await store.close()


async def test_a_check_that_ends_at_the_moment_of_its_cancellation_is_cancelled(tmp_path: Path) -> None:
    store = await filled(tmp_path / "m.db")

    def ended(connection: sqlite3.Connection) -> str | None:
        connection.close()
        closed.set()
        go.wait(60)
        return None

    closed, go = threading.Event(), threading.Event()
    task = asyncio.create_task(look_for_damage(tmp_path / "m.db", check=ended))
    async with asyncio.timeout(60):
        await asyncio.to_thread(closed.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    go.set()
    await store.close()
