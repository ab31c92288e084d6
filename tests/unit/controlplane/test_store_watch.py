"""What is told of a database that is gone or damaged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from meshmeter.controlplane.store_watch import StoreWatch
from meshmeter.store.base import Put
from meshmeter.store.sqlite import SqliteStore
from support.resources import mesh


async def watched(store: SqliteStore, path: Path, until: Callable[[StoreWatch], bool]) -> str | None:
    """The reason once `until` holds of a watch whose looks follow each other at once."""
    watch = StoreWatch(store, path, interval=1.0, sleep=lambda _: asyncio.sleep(0.001))
    task = asyncio.create_task(watch.run())
    try:
        async with asyncio.timeout(60):
            while not until(watch):
                await asyncio.sleep(0.001)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return watch.reason()


async def test_a_file_that_is_gone_is_told_and_healed_by_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "m.db"
    store = await SqliteStore.open(path)
    path.rename(tmp_path / "away")
    told = await watched(store, path, lambda watch: watch.reason() is not None)
    assert told is not None and "was deleted or moved" in told and told in caplog.text
    (tmp_path / "away").rename(path)
    assert await watched(store, path, lambda watch: watch.reason() is None) is None
    await store.close()


async def test_damage_is_told_with_the_way_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "m.db"
    store = await SqliteStore.open(path)
    await store.commit([Put(mesh(f"m{number}")) for number in range(200)])
    await store.close()
    with path.open("r+b") as file:
        file.seek(5 * 4096)
        file.write(b"\xa5" * 8192)
    store = await SqliteStore.open(path)
    told = await watched(store, path, lambda watch: watch.reason() is not None)
    assert told is not None and "is damaged" in told and "restore a backup" in told and told in caplog.text
    await store.close()
