"""The merge kernel on the bodies of a real Envoy with 40, 400 and 2000 clusters, and of generated applications."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from figures import Figure
from prometheus_client.parser import text_string_to_metric_families

from meshmeter.exposition.formats import Format
from meshmeter.exposition.merge import Options, Source
from meshmeter.exposition.merge_python import merge
from support.many_clusters import get, running_envoy

MB = 1e6
CONTENDERS = (
    "text, clusters merged",
    "text, clusters kept",
    "OpenMetrics, clusters merged",
    "prometheus_client",
)


def envoy_body(clusters: int) -> bytes:
    with (
        tempfile.TemporaryDirectory(prefix="meshmeter-bench-") as folder,
        running_envoy(Path(folder), clusters) as admin_socket,
    ):
        return get(admin_socket, "/stats/prometheus?text_readouts=")


def application_body(series: int) -> bytes:
    """Counters and histograms as a client library writes them; every label set is another one."""
    lines = []
    for family in range(series // 100):
        lines.append(
            f"# HELP app_requests_{family}_total Requests.\n# TYPE app_requests_{family}_total counter\n"
        )
        lines += [f'app_requests_{family}_total{{path="/p{n}",code="200"}} {n * 7}\n' for n in range(100)]
    return "".join(lines).encode()


def contenders(body: bytes, envoy: bool) -> dict[str, Callable[[], object]]:
    source = [Source("source", body, envoy=envoy)]
    text = body.decode()
    return dict(
        zip(
            CONTENDERS,
            (
                lambda: merge(source, Options(Format.TEXT)),
                lambda: merge(source, Options(Format.TEXT, merge_clusters=False)),
                lambda: merge(source, Options(Format.OPENMETRICS_1)),
                lambda: sum(1 for _ in text_string_to_metric_families(text)),
            ),
            strict=True,
        )
    )


def figures(quick: bool) -> Iterator[Figure]:
    """Throughput of the kernel on every body, against `prometheus_client`'s parser on the same body."""
    bodies = [(f"Envoy {n} clusters", envoy_body(n), True) for n in ((40, 400) if quick else (40, 400, 2000))]
    bodies += [(f"application {n} series", application_body(n), False) for n in (1_000, 10_000, 100_000)]
    for name, body, envoy in bodies:
        runs = contenders(body, envoy)
        seconds: dict[str, list[float]] = {what: [] for what in runs}
        for _ in range(3 if quick else 7):
            for what, run in runs.items():
                started = time.perf_counter()
                run()
                seconds[what].append(time.perf_counter() - started)
        medians = {what: statistics.median(taken) for what, taken in seconds.items()}
        baseline = medians["prometheus_client"]
        for what, taken in medians.items():
            yield Figure(
                f"merge {name} ({len(body) / MB:.2f} MB), {what}",
                round(len(body) / MB / taken, 1),
                "MB/s",
                "prometheus_client",
                round(baseline / taken, 2),
            )
