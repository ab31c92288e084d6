"""Everything at first, then every change, and everything again where changes may have been missed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meshmeter.controlplane.reconcile.store_follower import StoreFollower
from meshmeter.errors import StoreUnavailable, WatchExpired
from meshmeter.resources.resource import AnyResource, Key
from meshmeter.store.base import Contents, Delete, Put
from meshmeter.store.sqlite import SqliteStore
from support.resources import dataplane, metered

DATAPLANE = Key("Dataplane", "default", "backend-1")
BROKEN = Key("Mesh", "", "broken")


class Told:
    """What a follower tells, in order."""

    def __init__(self, store: Any):
        self.everything: list[set[Key]] = []
        self.changes: list[tuple[Key, bool]] = []
        self.follower = StoreFollower(store, take_over=self._take_over, apply=self._apply, retry=0.001)

    def _take_over(self, resources: Sequence[AnyResource]) -> None:
        self.everything.append({resource.key for resource in resources})

    def _apply(self, key: Key, resource: AnyResource | None) -> None:
        self.changes.append((key, resource is not None))

    async def until(self, holds: Callable[[], bool]) -> None:
        following = asyncio.create_task(self.follower.run())
        try:
            async with asyncio.timeout(60):
                while not holds():
                    await asyncio.sleep(0.001)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


class Faulty:
    """A real store whose reads fail first with these errors, and that keeps something unreadable."""

    def __init__(self, store: SqliteStore, *errors: Exception, unreadable: bool = False):
        self._store, self._errors, self._unreadable = store, list(errors), unreadable

    async def contents(self) -> Contents:
        if self._errors and isinstance(self._errors[0], StoreUnavailable):
            raise self._errors.pop(0)
        found = await self._store.contents()
        return replace(found, unreadable={BROKEN: "no JSON"}) if self._unreadable else found

    def watch(self, after: int) -> Any:
        if self._errors:
            raise self._errors.pop(0)
        return self._store.watch(after)


@pytest.fixture
async def store(tmp_path: Path) -> Any:
    opened = await SqliteStore.open(tmp_path / "m.db")
    await opened.commit([Put(metered())])
    yield opened
    await opened.close()


async def test_everything_and_then_every_change(store: SqliteStore) -> None:
    told = Told(store)

    async def change() -> None:
        while not told.everything:
            await asyncio.sleep(0.001)
        await store.commit([Put(dataplane())])
        await store.commit([Delete(DATAPLANE)])

    changing = asyncio.create_task(change())
    await told.until(lambda: len(told.changes) == 2)
    await changing
    assert told.everything == [{Key("Mesh", "", "default")}]
    assert told.changes == [(DATAPLANE, True), (DATAPLANE, False)]


async def test_a_store_that_is_away_is_asked_again(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    told = Told(Faulty(store, StoreUnavailable("gone"), StoreUnavailable("gone")))
    before = time.monotonic()
    await told.until(lambda: bool(told.everything))
    assert not told.follower.store_is_away and told.follower.age() == 0.0
    assert told.follower.in_step_at >= before
    assert [record.message for record in caplog.records] == [
        "the store is away, serving the last good configuration: gone",
        "the store is back",
    ]


async def test_while_it_is_away_what_is_known_grows_old(store: SqliteStore) -> None:
    told = Told(Faulty(store, *(StoreUnavailable("gone") for _ in range(1000))))
    await told.until(lambda: told.follower.store_is_away)
    assert told.follower.age() > 0.0


async def test_a_watch_that_fell_behind_begins_anew(store: SqliteStore) -> None:
    told = Told(Faulty(store, WatchExpired()))
    await told.until(lambda: len(told.everything) == 2)
    assert not told.follower.store_is_away


async def test_what_cannot_be_read_is_told_until_it_is_replaced(store: SqliteStore) -> None:
    told = Told(Faulty(store, unreadable=True))
    await told.until(lambda: bool(told.everything))
    (found,) = told.follower.unreadable_resources()
    assert found.code == "resource-unreadable" and "no JSON" in found.message
    assert list(told.follower.unreadable_resources("default")) == []

    async def replaced() -> None:
        while len(told.everything) < 2:
            await asyncio.sleep(0.001)
        await store.commit([Put(metered("broken"))])

    replacing = asyncio.create_task(replaced())
    await told.until(lambda: bool(told.changes))
    await replacing
    assert not told.follower.unreadable
