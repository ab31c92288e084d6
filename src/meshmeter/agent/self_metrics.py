"""The agent's own metrics, all named `meshmeter_agent_…`, in a registry of their own.

They are few and plain numbers, which become families only when somebody asks.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from meshmeter import __version__
from meshmeter.scrape.report import SourceReport

PREFIX = "meshmeter_agent"

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds that a scrape takes."""

CANCELLED = "cancelled"
"""In place of a status: the scraper left before its answer was complete."""

OK = "ok"
"""In place of a reason for failing."""


class SelfMetrics(Collector):
    """One object per agent; pass it to whoever counts. Not for several threads."""

    def __init__(
        self,
        *,
        kernel: str = "python",
        envoy_version: str = "",
        clock: Callable[[], float] = time.monotonic,
    ):
        """`kernel` is the one that merges metrics."""
        self.registry = CollectorRegistry(auto_describe=False)
        self._about = {"version": __version__, "kernel": kernel, "envoy_version": envoy_version}
        self._clock = clock
        self._config = ("", clock())
        self._connected: Callable[[], bool] = lambda: False
        self._envoy_restarts: Callable[[], int] = lambda: 0
        self._certificate_expiry: Callable[[], datetime | None] = lambda: None
        self._scrapes: Counter[str] = Counter()
        self._durations = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0
        self._coalesced = 0
        self._fetches: dict[str, Counter[str]] = {}
        self.registry.register(self)
        ProcessCollector(namespace=PREFIX, registry=self.registry)

    def watch(
        self,
        *,
        connected: Callable[[], bool],
        envoy_restarts: Callable[[], int],
        certificate_expiry: Callable[[], datetime | None] = lambda: None,
    ) -> None:
        """What is read when somebody asks; `certificate_expiry` is of the provided certificate, if there is one."""
        self._connected, self._envoy_restarts = connected, envoy_restarts
        self._certificate_expiry = certificate_expiry

    def took_config(self, version: str) -> None:
        """This configuration is in force; its age begins unless it was before."""
        if version != self._config[0]:
            self._config = (version, self._clock())

    def scraped(self, code: str, seconds: float) -> None:
        """A scraper was answered, `seconds` after it asked."""
        self._scrapes[code] += 1
        self._durations[bisect_left(BUCKETS, seconds)] += 1
        self._seconds += seconds

    def coalesced(self) -> None:
        """A scraper shares the answer of another one."""
        self._coalesced += 1

    def fetched(self, reports: Iterable[SourceReport]) -> None:
        """What became of every source in a scrape. Sources that are no longer there are forgotten."""
        kept = {}
        for report in reports:
            kept[report.name] = self._fetches.get(report.name) or Counter()
            kept[report.name][report.error or OK] += 1
        self._fetches = kept

    def counting(self) -> Middleware:
        """Counts and times the requests of an aiohttp application, to the end of their answers."""

        @web.middleware
        async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
            started, code = self._clock(), "500"
            try:
                response = await handler(request)
                code = str(response.status)
                return response
            except web.HTTPException as exc:
                code = str(exc.status)
                raise
            except asyncio.CancelledError:
                code = CANCELLED
                raise
            finally:
                self.scraped(code, self._clock() - started)

        return count

    def text(self) -> bytes:
        """Everything, in text 0.0.4."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        yield InfoMetricFamily(f"{PREFIX}_build", "The agent that runs, and what it runs with.", self._about)
        version, since = self._config
        yield InfoMetricFamily(f"{PREFIX}_config", "The configuration in force.", {"version": version})
        yield GaugeMetricFamily(
            f"{PREFIX}_config_age_seconds",
            "Time since this agent took that configuration over.",
            self._clock() - since,
        )
        yield GaugeMetricFamily(
            f"{PREFIX}_control_plane_connected",
            "Whether the control plane knows this proxy, answered last time and is followed by Envoy (1) or not (0).",
            int(self._connected()),
        )
        yield CounterMetricFamily(
            f"{PREFIX}_envoy_restarts",
            "Times that Envoy ended and was started again.",
            self._envoy_restarts(),
        )
        if (expiry := self._certificate_expiry()) is not None:
            yield GaugeMetricFamily(
                f"{PREFIX}_provided_certificate_expiry_timestamp_seconds",
                "When the certificate for the metrics endpoint expires.",
                expiry.timestamp(),
            )
        scrapes = CounterMetricFamily(
            f"{PREFIX}_scrapes", "Requests of scrapers, by status of the answer.", labels=("code",)
        )
        for code, number in sorted(self._scrapes.items()):
            scrapes.add_metric((code,), number)
        yield scrapes
        yield self._duration()
        yield CounterMetricFamily(
            f"{PREFIX}_coalesced_scrapes",
            "Requests of scrapers that shared the answer of another one.",
            self._coalesced,
        )
        fetches = CounterMetricFamily(
            f"{PREFIX}_fetches",
            "Fetches by source and result: ok, or the reason of meshmeter_source_error.",
            labels=("source", "result"),
        )
        for source, results in self._fetches.items():
            for result, number in sorted(results.items()):
                fetches.add_metric((source, result), number)
        yield fetches

    def _duration(self) -> Metric:
        buckets, below = [], 0
        for bound, number in zip((*map(str, BUCKETS), "+Inf"), self._durations, strict=True):
            below += number
            buckets.append((bound, below))
        return HistogramMetricFamily(
            f"{PREFIX}_scrape_duration_seconds",
            "Time from a scraper's request to the end of its answer.",
            buckets=buckets,
            sum_value=self._seconds,
        )
