import asyncio

import pytest

from meshmeter.errors import StoreUnavailable, WatchExpired
from meshmeter.resources.resource import Key
from meshmeter.store.base import Event
from meshmeter.store.event_log import EventLog


def events(*revisions: int) -> list[Event]:
    return [Event(revision, Key("Mesh", "", f"m{revision}"), None) for revision in revisions]


async def test_a_batch_has_everything_after_the_revision() -> None:
    log = EventLog(0)
    log.append(events(1, 2))
    log.append(events(3))
    assert [e.revision for e in await anext(log.watch(1))] == [2, 3]
    assert log.revision == 3


async def test_a_watcher_waits_for_the_next() -> None:
    log = EventLog(5)
    watch = log.watch(5)
    waiting = asyncio.create_task(anext(watch))
    await asyncio.sleep(0)
    log.append([])
    log.append(events(6))
    assert [e.revision for e in await waiting] == [6]


async def test_what_was_before_the_start_is_expired() -> None:
    with pytest.raises(WatchExpired, match="revision 5"):
        await anext(EventLog(5).watch(4))


async def test_who_falls_behind_is_told() -> None:
    log = EventLog(0, kept=3)
    slow = log.watch(0)
    log.append(events(1, 2))
    assert len(await anext(slow)) == 2
    log.append(events(3, 4, 5, 6))
    with pytest.raises(WatchExpired):
        await anext(slow)
    assert [e.revision for e in await anext(log.watch(3))] == [4, 5, 6]


async def test_closing_ends_a_watch_after_the_last_event() -> None:
    log = EventLog(0)
    log.append(events(1))
    log.close()
    watch = log.watch(0)
    assert [e.revision for e in await anext(watch)] == [1]
    with pytest.raises(StoreUnavailable):
        await anext(watch)
