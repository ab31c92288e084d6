"""The latest events of a store, and the tasks that wait for the next ones."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

from meshmeter.errors import StoreUnavailable, WatchExpired
from meshmeter.store.base import Event

KEPT_EVENTS = 10_000
"""How many events a watcher may be behind."""


class EventLog:
    """A ring of events in order of revision. One event loop only."""

    def __init__(self, revision: int, kept: int = KEPT_EVENTS):
        """`revision` is that of the store now; what happened before is not in the log."""
        self._events: deque[Event] = deque(maxlen=kept)
        self._forgotten = revision
        self._revision = revision
        self._changed = asyncio.Event()
        self._closed = False

    @property
    def revision(self) -> int:
        """Of the last event, or that of the start."""
        return self._revision

    def append(self, events: Sequence[Event]) -> None:
        """Add committed events, whose revisions follow the last one, and wake the watchers."""
        if not events:
            return
        self._events.extend(events)
        self._forgotten = self._events[0].revision - 1
        self._revision = events[-1].revision
        self._wake()

    def close(self) -> None:
        """End every watch: nothing will happen any more."""
        self._closed = True
        self._wake()

    async def watch(self, after: int) -> AsyncIterator[tuple[Event, ...]]:
        """Batches of events above `after`.

        Raises WatchExpired if some of them are no longer kept, StoreUnavailable once the store is closed.
        """
        while True:
            changed = self._changed
            if after < self._forgotten:
                raise WatchExpired(f"events up to revision {self._forgotten} are no longer kept")
            events = tuple(event for event in self._events if event.revision > after)
            if events:
                after = events[-1].revision
                yield events
            elif self._closed:
                raise StoreUnavailable("the store is closed")
            else:
                await changed.wait()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
