"""The merge kernel on the bodies of a real Envoy with 40, 400 and 2000 clusters, and of generated applications."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from figures import Figure
from prometheus_client.parser import text_string_to_metric_families

from meshmeter.exposition.formats import Format
from meshmeter.exposition.kernel import PYTHON, Kernel, choose
from meshmeter.exposition.merge import Options, Source
from support.many_clusters import get, running_envoy

MB = 1e6
MODES = {
    "text, clusters merged": Options(Format.TEXT),
    "text, clusters kept": Options(Format.TEXT, merge_clusters=False),
    "OpenMetrics, clusters merged": Options(Format.OPENMETRICS_1),
}
PARSER = "prometheus_client's parser"


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


def kernels() -> list[Kernel]:
    """The compiled kernel, if it is installed, and the Python one."""
    fastest = choose()
    return [PYTHON] if fastest.name == PYTHON.name else [fastest, PYTHON]


def contenders(body: bytes, envoy: bool) -> dict[tuple[str, str], Callable[[], object]]:
    """What is measured, by program and mode."""
    source, text = [Source("source", body, envoy=envoy)], body.decode()
    runs: dict[tuple[str, str], Callable[[], object]] = {
        (kernel.name, mode): partial(kernel.merge, source, options)
        for kernel in kernels()
        for mode, options in MODES.items()
    }
    runs[PARSER, "parse only"] = lambda: sum(1 for _ in text_string_to_metric_families(text))
    return runs


def figures(quick: bool) -> Iterator[Figure]:
    """Throughput on every body: the compiled kernel against the Python one, and that against `prometheus_client`'s
    parser, which does not even merge."""
    bodies = [(f"Envoy {n} clusters", envoy_body(n), True) for n in ((40, 400) if quick else (40, 400, 2000))]
    bodies += [(f"application {n} series", application_body(n), False) for n in (1_000, 10_000, 100_000)]
    for name, body, envoy in bodies:
        runs = contenders(body, envoy)
        seconds: dict[tuple[str, str], list[float]] = {what: [] for what in runs}
        for _ in range(3 if quick else 7):
            for what, run in runs.items():
                started = time.perf_counter()
                run()
                seconds[what].append(time.perf_counter() - started)
        medians = {what: statistics.median(taken) for what, taken in seconds.items()}
        for (program, mode), taken in medians.items():
            baseline = (PYTHON.name, mode) if program == "native" else (PARSER, "parse only")
            yield Figure(
                f"merge {name} ({len(body) / MB:.2f} MB), {program}, {mode}",
                round(len(body) / MB / taken, 1),
                "MB/s",
                baseline[0],
                round(medians[baseline] / taken, 2),
            )
