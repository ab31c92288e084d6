"""StoreFollower: reads what the store holds and then every change, and goes on where the store was away."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from meshmeter.effective.findings import Finding, finding
from meshmeter.errors import StoreUnavailable, WatchExpired
from meshmeter.resources.resource import AnyResource, Key
from meshmeter.store.base import Store
from meshmeter.store.rows import printable

log = logging.getLogger(__name__)


class StoreFollower:
    """`run` tells of everything: first, and whenever changes may have been missed, of all there is. One event loop
    only."""

    def __init__(
        self,
        store: Store,
        *,
        take_over: Callable[[Sequence[AnyResource]], None],
        apply: Callable[[Key, AnyResource | None], None],
        retry: float,
    ):
        """`take_over` is told of all there is, `apply` of one change. `retry` is the seconds between attempts to read a
        store that is away."""
        self._store = store
        self._take_over = take_over
        self._apply = apply
        self._retry = retry
        self.in_step_at = time.monotonic()
        """Monotonic time when the picture was last known to equal the store, before that of the start; its age is a
        metric."""
        self.store_is_away = False
        self.unreadable: dict[Key, str] = {}
        """What the store keeps and cannot read, each with the reason; everything else is served."""

    async def run(self) -> None:
        """Follow the store until cancelled."""
        while True:
            try:
                contents = await self._store.contents()
                self._tell_unreadable(contents.unreadable)
                self._take_over(contents.resources)
                if self.store_is_away:
                    log.info("the store is back")
                self.store_is_away = False
                self.in_step_at = time.monotonic()
                async for events in self._store.watch(contents.revision):
                    self.in_step_at = time.monotonic()
                    for event in events:
                        self.unreadable.pop(event.key, None)
                        self._apply(event.key, event.resource)
            except StoreUnavailable as exc:
                if not self.store_is_away:
                    log.error("the store is away, serving the last good configuration: %s", exc)
                self.store_is_away = True
                await asyncio.sleep(self._retry)
            except WatchExpired:
                log.info("the watch fell behind, reading everything again")

    def _tell_unreadable(self, found: Mapping[Key, str]) -> None:
        for key, reason in found.items():
            if self.unreadable.get(key) != reason:
                log.error("%s is stored, cannot be read and is left out: %s", printable(key), reason)
        self.unreadable = dict(found)

    def unreadable_resources(self, mesh: str | None = None) -> Iterator[Finding]:
        """What the store keeps and cannot read, of a mesh or of all."""
        for key, reason in sorted(self.unreadable.items()):
            if mesh is None or key.mesh == mesh:
                yield finding(
                    "resource-unreadable",
                    f"{printable(key)} is stored, cannot be read and is left out: {reason}",
                )

    def age(self) -> float:
        """Seconds since the picture was last known to equal the store; 0 while the store is followed."""
        return time.monotonic() - self.in_step_at if self.store_is_away else 0.0
