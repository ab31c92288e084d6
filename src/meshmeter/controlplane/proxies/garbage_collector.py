"""The garbage collector of proxies that came and went.

It forgets whatever is kept of one that has no Dataplane, no stream and no poll any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from meshmeter.controlplane.proxies.registry import RETURN_SECONDS, ProxyRegistry
from meshmeter.controlplane.reconcile.reconciler import Reconciler

LOOK = 10.0
"""Seconds between two looks."""


class GarbageCollector:
    """`run` looks from time to time."""

    def __init__(
        self,
        registry: ProxyRegistry,
        reconciler: Reconciler,
        *,
        after: float = RETURN_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ):
        """`after`: seconds that a proxy without a Dataplane is remembered."""
        self._registry, self._reconciler = registry, reconciler
        self._after, self._sleep = after, sleep

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._sleep(LOOK)
            self.look()

    def look(self) -> None:
        """Forget those who are gone now."""
        for key in self._registry.keys() | self._reconciler.remembered():
            if not self._reconciler.has_dataplane(key) and self._registry.absent_for(key) >= self._after:
                self._registry.forget(key)
                self._reconciler.forget_departed(key)
