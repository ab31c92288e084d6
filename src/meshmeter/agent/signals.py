"""How the agent is told to stop: SIGTERM gracefully, SIGINT or a second signal at once."""

from __future__ import annotations

import asyncio
import signal
from types import TracebackType
from typing import Self


class StopSignals:
    """A context manager that listens while it is open."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        """Set by the first signal."""
        self.at_once = asyncio.Event()
        """Set when there is no time for a drain."""

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.receive, number)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _exc: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    def receive(self, number: signal.Signals) -> None:
        """What a signal means."""
        if number == signal.SIGINT or self.stop.is_set():
            self.at_once.set()
        self.stop.set()
