"""Coalescing: callers that want the same thing at the same time share one piece of work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Coalescer(Generic[K, V]):
    """Runs at most one piece of work per key at a time.

    A caller that is cancelled leaves the others alone; when the last one has left, the work is cancelled.
    """

    def __init__(self, on_shared: Callable[[], None] = lambda: None) -> None:
        """`on_shared` is called for each caller that joins work which already runs."""
        self._on_shared = on_shared
        self._running: dict[K, tuple[asyncio.Task[V], set[object]]] = {}

    async def run(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """The outcome of `work`, or of the one that already runs for this key. Raises what the work raises."""
        if key not in self._running:
            task = asyncio.get_running_loop().create_task(
                work(), name=f"shared work for {type(key).__name__}"
            )
            self._running[key] = task, set()
            task.add_done_callback(lambda done: self._forget(key, done))
        else:
            self._on_shared()
        task, callers = self._running[key]
        me = object()
        callers.add(me)
        try:
            return await asyncio.shield(task)
        finally:
            callers.discard(me)
            if not callers and not task.done():
                self._forget(key, task)
                task.cancel()

    async def cancel(self) -> None:
        """Cancel everything that runs and wait for its end."""
        tasks = [task for task, _ in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, key: K, task: asyncio.Task[V]) -> None:
        if key in self._running and self._running[key][0] is task:
            del self._running[key]
