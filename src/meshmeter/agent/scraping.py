"""Scraping: one answer for one plan, from the fetches to the last byte.

Envoy's families leave while they arrive; what the applications say, and what became of each source, follows. That
needs the format to be known before the first byte, and one request to Envoy; where that is not so, everything is
fetched first, and answered with the same bytes (`scrape.gather`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from meshmeter.agent.coalescing import Answer
from meshmeter.agent.fetcher import Fetcher
from meshmeter.exposition.formats import Format
from meshmeter.exposition.kernel import Kernel
from meshmeter.exposition.merge import Options
from meshmeter.scrape.circuit_breaker import CircuitBreaker
from meshmeter.scrape.gather import finish, format_in_advance, gather, readable, spoken_formats
from meshmeter.scrape.plan import Application, ScrapePlan
from meshmeter.scrape.report import SourceReport
from meshmeter.scrape.results import FetchResult

T = TypeVar("T")


class Scraping:
    """Remembers from one scrape to the next what the next one has to know in advance."""

    def __init__(
        self,
        fetcher: Fetcher,
        kernel: Kernel,
        own: Callable[[], bytes] = lambda: b"",
        *,
        clock: Callable[[], float] = time.monotonic,
    ):
        """`own` gives the agent's metrics of itself, for plans that want them."""
        self._fetcher = fetcher
        self._kernel = kernel
        self._clock = clock
        self._own = own
        self._circuit_breaker = CircuitBreaker()
        # One thread: two would only wait for each other, and each has memory of its own that it does not give back.
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="merge")
        self._spoken: dict[Application, Format] = {}

    async def scrape(self, plan: ScrapePlan, answer: Answer) -> tuple[int, tuple[SourceReport, ...]]:
        """Write the answer; its status and what to tell of each source. Not later than the plan's deadline for merging,
        and what it takes to merge one family."""
        end = self._clock() + plan.merge_deadline
        self._keep(plan.applications)
        given = self._circuit_breaker.apply(plan)
        spoken = {a.name: self._spoken[a] for a in plan.applications if a in self._spoken}
        format = format_in_advance(plan, spoken)
        if format is None or len(plan.envoy) != 1:
            results = await self._fetcher.fetch_all(given)
            self._learn(plan, results)
            status, reports = await self._answer_at_once(given, results, answer, end)
        else:
            status, reports = await self._stream(plan, given, format, answer, end)
        return status, self._circuit_breaker.learn(plan, given, reports, time.time())

    async def _stream(
        self, plan: ScrapePlan, given: ScrapePlan, format: Format, answer: Answer, end: float
    ) -> tuple[int, tuple[SourceReport, ...]]:
        merging = self._kernel.begin(Options(format, seconds=end - self._clock()))
        received = held = 0

        def begun() -> None:
            answer.start(200, format.value)
            answer.add(*merging.feed(b""))  # an answer without a body was one too

        async def arrived(piece: bytes) -> None:
            nonlocal received, held
            received += len(piece)
            held += len(piece)
            made = await self._off_the_loop(held, (), lambda: merging.feed(piece))
            if made:
                held = 0
                answer.add(*made)

        async with asyncio.TaskGroup() as tasks:
            applications = tasks.create_task(
                self._fetcher.fetch_applications(given), name="scrape: applications"
            )
            envoy = await self._fetcher.stream_envoy(given, begun, arrived)
            results = await applications
        self._learn(plan, results)
        if not answer.status:
            return await self._answer_at_once(given, [envoy, *results], answer, end)
        own = self._own_text(plan)
        body, reports = await self._off_the_loop(
            0,
            results,
            lambda: finish(
                given,
                format,
                merging,
                envoy,
                received,
                [readable(result, given) for result in results],
                self._kernel,
                own,
            ),
        )
        answer.add(*body)
        return 200, reports

    async def _answer_at_once(
        self, plan: ScrapePlan, results: Sequence[FetchResult], answer: Answer, end: float
    ) -> tuple[int, tuple[SourceReport, ...]]:
        own = self._own_text(plan)
        response, reports = await self._off_the_loop(
            len(results[0].body),
            results[1:],
            lambda: gather(plan, results, self._kernel, own, end - self._clock()),
        )
        answer.start(response.status, response.content_type)
        answer.add(*response.pieces)
        return response.status, reports

    async def _off_the_loop(
        self, envoy: int, applications: Sequence[FetchResult], work: Callable[[], T]
    ) -> T:
        """In a thread, if it is much or may be dear, so that other scrapes go on. What is little is done at once: a
        thread has to wait for the interpreter, which a loop that reads an answer holds for milliseconds."""
        if self._kernel.is_quick(envoy=envoy, others=sum(len(result.body) for result in applications)):
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def close(self) -> None:
        """Give the thread back."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _own_text(self, plan: ScrapePlan) -> bytes:
        return self._own() if plan.agent_metrics else b""

    def _keep(self, applications: Sequence[Application]) -> None:
        """Forget applications that the configuration has no more."""
        self._circuit_breaker.keep(applications)
        kept = set(applications)
        self._spoken = {known: format for known, format in self._spoken.items() if known in kept}

    def _learn(self, plan: ScrapePlan, results: Sequence[FetchResult]) -> None:
        formats = spoken_formats(results)
        errors = {result.name for result in results if result.error is not None}
        for application in plan.applications:
            # One that is down now speaks, when it is back, what it spoke before.
            if application.name not in errors or application not in self._spoken:
                self._spoken[application] = formats[application.name]
