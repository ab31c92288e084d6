"""Interrupts: being told to stop, by Ctrl-C or SIGTERM, and noticed only where that is safe.

An exception out of nowhere, as Python raises for Ctrl-C, may come while a child is just started, and leave it behind,
or while a lock is held that stopping the children needs.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """A context manager, for the main thread; what the signals did before is put back when it is left."""

    def __init__(self) -> None:
        self.is_told = False
        """Whether to stop."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        self._before = {number: signal.signal(number, self._notice) for number in SIGNALS}
        return self

    def __exit__(self, *_exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise KeyboardInterrupt if it is time to stop."""
        if self.is_told:
            raise KeyboardInterrupt

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Like `asyncio.run`; raises KeyboardInterrupt once the work was cancelled because it is time to stop."""
        try:
            return asyncio.run(self._cancelled_when_told(work))
        except asyncio.CancelledError:
            self.check()
            raise

    async def _cancelled_when_told(self, work: Coroutine[Any, Any, T]) -> T:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        try:
            if self.is_told:
                work.close()
                raise asyncio.CancelledError
            return await work
        finally:
            self._loop = self._task = None

    def _notice(self, _number: int, _frame: FrameType | None) -> None:
        self.is_told = True
        if self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
