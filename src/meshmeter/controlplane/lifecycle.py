"""Life and death of the process: it works until it is told to stop or until a part of it fails, and dies saying so."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Coroutine
from typing import Any

from meshmeter.errors import StartupError

log = logging.getLogger(__name__)


async def until_told(work: Coroutine[Any, Any, None]) -> None:
    """Do the work until SIGTERM or SIGINT, from its very beginning on; then it is cancelled and may clean up.

    Raises what the work raises; where a signal ended it, nothing.
    """
    loop = asyncio.get_running_loop()
    told = False
    # By this name a task that hangs is found in a dump.
    task = loop.create_task(work, name="control plane")

    def stop(name: str) -> None:
        nonlocal told
        if not told:
            told = True
            log.info("stopping, told by %s", name)
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number.name)
    try:
        await task
    except asyncio.CancelledError:
        if not told:
            raise


class Background:
    """Long-running tasks, none of which may end: nothing runs on half.

    One that does cancels the task that opened this context, be it starting or at work, and leaving the context raises
    StartupError.
    """

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._owner: asyncio.Task[Any] | None = None
        self._failure: tuple[str, BaseException | None] | None = None

    async def __aenter__(self) -> Background:
        self._owner = asyncio.current_task()
        return self

    def start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Do this until the context is left."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._failure is not None:
            return
        error = task.exception()
        self._failure = task.get_name(), error
        log.critical("%s ended, stopping", task.get_name(), exc_info=error)
        assert self._owner is not None
        self._owner.cancel()

    async def __aexit__(self, *_exc: object) -> None:
        for task in self._tasks:
            task.remove_done_callback(self._ended)
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._failure is not None:
            assert self._owner is not None
            self._owner.uncancel()
            name, error = self._failure
            raise StartupError(
                f"a part of the control plane failed ({name}: {error!r}); the log has the cause; start it again"
            ) from error
