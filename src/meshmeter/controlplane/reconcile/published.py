"""Published: the latest value of something, and a way to wait for the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Published(Generic[T]):
    """A value that changes now and then and that many tasks wait for.

    One event-loop only. Waiters see the latest value, not every one in between.
    """

    def __init__(self, value: T):
        self._value = value
        self._changed = asyncio.Event()

    @property
    def value(self) -> T:
        return self._value

    def set(self, value: T) -> None:
        """Publish a new value and wake every waiter."""
        self._value = value
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def next(self) -> T:
        """Wait for the next `set` and return the value that then holds."""
        await self._changed.wait()
        return self._value

    async def until(self, wanted: Callable[[T], bool]) -> T:
        """The value, once it is as wanted; at once if it is already. Nothing that is set between a look and the wait
        for the next is missed, whenever the caller's task comes to run."""
        while not wanted(self._value):
            await self._changed.wait()
        return self._value
