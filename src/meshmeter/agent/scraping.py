"""Scraping: one answer for one plan, from the fetches to the last byte.

Envoy's families leave while they arrive (`exposition.stream`); what the applications say, and what became of each
source, follows. That needs the format to be known before the first byte, and one request to Envoy; where that is not
so, everything is fetched first (`scrape.gather`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from meshmeter.agent.coalescing import Answer
from meshmeter.agent.fetcher import Fetcher
from meshmeter.exposition.formats import Format
from meshmeter.exposition.kernel import Kernel
from meshmeter.exposition.merge import Options
from meshmeter.exposition.stream import EnvoyStream, family_names
from meshmeter.scrape.gather import finish, format_in_advance, gather, spoken_formats
from meshmeter.scrape.patience import Patience
from meshmeter.scrape.plan import Application, ScrapePlan
from meshmeter.scrape.report import SourceReport
from meshmeter.scrape.results import FetchResult

BIG = 256 << 10
"""Bytes of bodies from which on merging happens in a thread, so that other scrapes go on."""

T = TypeVar("T")


class Scraping:
    """Remembers from one scrape to the next what the next one has to know in advance."""

    def __init__(self, fetcher: Fetcher, kernel: Kernel, own: Callable[[], bytes] = lambda: b""):
        """`own` gives the agent's metrics of itself, for plans that want them."""
        self._fetcher = fetcher
        self._kernel = kernel
        self._own = own
        self._patience = Patience()
        self._spoken: dict[Application, Format] = {}
        self._names: frozenset[bytes] = frozenset()

    async def scrape(self, plan: ScrapePlan, answer: Answer) -> tuple[int, tuple[SourceReport, ...]]:
        """Write the answer; its status and what to tell of each source. Not later than the deadline, and what merging
        takes."""
        self._keep(plan.applications)
        given = self._patience.apply(plan)
        spoken = {a.name: self._spoken[a] for a in plan.applications if a in self._spoken}
        format = format_in_advance(plan, spoken)
        if format is None or len(plan.envoy) != 1:
            results = await self._fetcher.fetch_all(given)
            self._learn(plan, results)
            self._names |= family_names(results[0].body)
            status, reports = await self._answer_at_once(given, results, answer)
        else:
            status, reports = await self._stream(plan, given, format, answer)
        return status, self._patience.learn(plan, given, reports, time.time())

    async def _stream(
        self, plan: ScrapePlan, given: ScrapePlan, format: Format, answer: Answer
    ) -> tuple[int, tuple[SourceReport, ...]]:
        stream = EnvoyStream(self._kernel.merge, Options(format), expected=self._names)
        segments: asyncio.Queue[bytes | None] = asyncio.Queue()

        def take(piece: bytes) -> None:
            for segment in stream.feed(piece):
                segments.put_nowait(segment)

        async with asyncio.TaskGroup() as tasks:
            applications = tasks.create_task(
                self._fetcher.fetch_applications(given), name="scrape: applications"
            )
            merging = tasks.create_task(_merge(stream, segments, answer), name="scrape: merge")
            envoy = await self._fetcher.stream_envoy(given, lambda: answer.start(200, format.value), take)
            # The family at which an answer broke off is incomplete.
            if envoy.error is None:
                segments.put_nowait(stream.rest())
            segments.put_nowait(None)
            await merging
            results = await applications
        self._learn(plan, results)
        if not answer.status:
            return await self._answer_at_once(given, [envoy, *results], answer)
        self._names |= stream.names()
        size, own = sum(len(result.body) for result in results), self._own_text(plan)
        body, reports = await _off_the_loop(
            size, lambda: finish(given, format, stream, envoy, results, self._kernel, own)
        )
        answer.add(body)
        return 200, reports

    async def _answer_at_once(
        self, plan: ScrapePlan, results: Sequence[FetchResult], answer: Answer
    ) -> tuple[int, tuple[SourceReport, ...]]:
        size, own = sum(len(result.body) for result in results), self._own_text(plan)
        response, reports = await _off_the_loop(size, lambda: gather(plan, results, self._kernel, own))
        answer.start(response.status, response.content_type)
        answer.add(response.body)
        return response.status, reports

    def _own_text(self, plan: ScrapePlan) -> bytes:
        return self._own() if plan.agent_metrics else b""

    def _keep(self, applications: Sequence[Application]) -> None:
        """Forget applications that the configuration has no more."""
        self._patience.keep(applications)
        kept = set(applications)
        self._spoken = {known: format for known, format in self._spoken.items() if known in kept}

    def _learn(self, plan: ScrapePlan, results: Sequence[FetchResult]) -> None:
        formats = spoken_formats(results)
        errors = {result.name for result in results if result.error is not None}
        for application in plan.applications:
            # One that is down now speaks, when it is back, what it spoke before.
            if application.name not in errors or application not in self._spoken:
                self._spoken[application] = formats[application.name]


async def _merge(stream: EnvoyStream, segments: asyncio.Queue[bytes | None], answer: Answer) -> None:
    while (segment := await segments.get()) is not None:
        answer.add(await _off_the_loop(len(segment), partial(stream.merge, segment)))


async def _off_the_loop(size: int, work: Callable[[], T]) -> T:
    """In a thread, if it is much."""
    return await asyncio.to_thread(work) if size > BIG else work()
