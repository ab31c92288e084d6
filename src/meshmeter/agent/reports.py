"""ReportSender: tells the control plane what scrapes were like, cheaply.

Only the newest report counts. One is sent at most every `INTERVAL` seconds, at once when a source went up or
down, and not at all while the control plane is away: `meshmeter explain` can wait, memory cannot.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from meshmeter.errors import ApiError, TokenError

log = logging.getLogger(__name__)

INTERVAL = 10.0


class ReportSender:
    """`offer` from the scrape path never waits; `run` is a task. `send` raises as the ControlPlane does."""

    def __init__(self, send: Callable[[Mapping[str, Any]], Awaitable[None]], *, interval: float = INTERVAL):
        self._send = send
        self._interval = interval
        self._newest: Mapping[str, Any] | None = None
        self._states: Mapping[str, bool] | None = None
        self._offered = asyncio.Event()
        self._urgent = asyncio.Event()

    def offer(self, report: Mapping[str, Any], states: Mapping[str, bool]) -> None:
        """Take the report of a scrape; `states` says of each source whether it was up."""
        self._newest = report
        self._offered.set()
        if states != self._states:
            self._states = dict(states)
            self._urgent.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._offered.wait()
            self._offered.clear()
            self._urgent.clear()
            report = self._newest
            assert report is not None
            try:
                await self._send(report)
            except (ApiError, TokenError, ValueError) as exc:
                log.debug("a scrape report was dropped: %s", exc)
            await self._pause()

    async def _pause(self) -> None:
        """The interval, or less if a source goes up or down meanwhile."""
        try:
            async with asyncio.timeout(self._interval):
                await self._urgent.wait()
        except TimeoutError:
            pass
