from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from meshmeter.agent.reports import ReportSender
from meshmeter.errors import ApiError


class Receiver:
    def __init__(self) -> None:
        self.got: list[Mapping[str, Any]] = []
        self.failures: list[Exception] = []
        self._arrived = asyncio.Event()

    async def send(self, report: Mapping[str, Any]) -> None:
        self.got.append(report)
        self._arrived.set()
        if self.failures:
            raise self.failures.pop()

    async def next(self) -> Mapping[str, Any]:
        async with asyncio.timeout(60):
            await self._arrived.wait()
        self._arrived.clear()
        return self.got[-1]


@contextlib.asynccontextmanager
async def running(sender: ReportSender) -> AsyncIterator[None]:
    task = asyncio.create_task(sender.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_while_nothing_goes_up_or_down_the_interval_holds_and_the_newest_counts() -> None:
    receiver = Receiver()
    sender = ReportSender(receiver.send, interval=0.2)
    async with running(sender):
        sender.offer({"scrape": 1}, {"envoy": True})
        assert await receiver.next() == {"scrape": 1}
        for number in range(2, 10):
            sender.offer({"scrape": number}, {"envoy": True})
            await settle()
        assert len(receiver.got) == 1
        assert await receiver.next() == {"scrape": 9}
    assert len(receiver.got) == 2


async def test_a_source_that_goes_down_or_up_is_told_at_once() -> None:
    receiver = Receiver()
    sender = ReportSender(receiver.send, interval=3600.0)
    async with running(sender):
        for number, up in enumerate((True, False, True)):
            sender.offer({"scrape": number}, {"envoy": True, "app": up})
            assert await receiver.next() == {"scrape": number}
        sender.offer({"scrape": 3}, {"envoy": True})  # the source was removed
        assert await receiver.next() == {"scrape": 3}


async def test_what_cannot_be_sent_is_dropped() -> None:
    receiver = Receiver()
    receiver.failures = [ValueError("too large"), ApiError(0, "away")]
    sender = ReportSender(receiver.send, interval=0.001)
    async with running(sender):
        for number in range(3):
            sender.offer({"scrape": number}, {})
            assert await receiver.next() == {"scrape": number}
