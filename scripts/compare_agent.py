"""Measure endpoints of metrics beside each other: each in its turn, and the median of all rounds.

Any endpoint over HTTP will do: this agent, another one, an application. Each answer is read on a connection of its own.
The ratio is against the first URL. A URL can be given a process with `--pid`, in the order of the URLs, whose CPU time
per answer and memory are told as well. Nothing else should load the machine meanwhile.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

TICKS = os.sysconf("SC_CLK_TCK")
"""Of the clock of CPU times, per second."""


@dataclass
class Endpoint:
    """One URL, and what was measured of it."""

    url: str
    pid: int | None = None
    first: list[float] = field(default_factory=list)
    """Seconds to the first byte of each body."""
    last: list[float] = field(default_factory=list)
    """Seconds to the last byte."""
    size: int = 0
    """Bytes of the latest body, as sent."""
    used: float = 0.0
    """Seconds of CPU of the process meanwhile."""

    def measure(self, headers: dict[str, str], timeout: float) -> None:
        """One answer. Raises OSError, HTTPException, and ValueError for a status other than 200."""
        before = cpu(self.pid) if self.pid is not None else 0.0
        first, last, self.size = fetch(urlsplit(self.url), headers, timeout)
        self.first.append(first)
        self.last.append(last)
        if self.pid is not None:
            self.used += cpu(self.pid) - before


def fetch(url: SplitResult, headers: dict[str, str], timeout: float) -> tuple[float, float, int]:
    """Seconds to the first byte of the body and to the last, and its size. Raises as `Endpoint.measure`."""
    connection = HTTPConnection(url.hostname or "", url.port or 80, timeout=timeout)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    try:
        started = time.perf_counter()
        connection.request("GET", target, headers=headers)
        response = connection.getresponse()
        size = len(response.read(1))
        first = time.perf_counter() - started
        size += len(response.read())
        last = time.perf_counter() - started
    finally:
        connection.close()
    if response.status != 200:
        raise ValueError(f"status {response.status}")
    return first, last, size


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used, in steps of the kernel's clock. Raises OSError."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid: int) -> tuple[float, float]:
    """Resident now and at most since its start, in MB. Raises OSError."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines if ":" in line)
    return int(status["VmRSS"].split()[0]) / 1024, int(status["VmHWM"].split()[0]) / 1024


def report(endpoints: list[Endpoint]) -> str:
    """A table, one line per endpoint."""
    baseline = statistics.median(endpoints[0].last)
    rows = [["first ms", "last ms", "ratio", "bytes", "CPU ms", "RSS MB", "peak MB", "endpoint"]]
    for each in endpoints:
        last = statistics.median(each.last)
        process = ["-", "-", "-"]
        if each.pid is not None:
            spent = each.used / len(each.last) * 1000
            process = [f"{spent:.1f}", *(f"{value:.1f}" for value in memory(each.pid))]
        times = [f"{statistics.median(each.first) * 1000:.1f}", f"{last * 1000:.1f}"]
        rows.append([*times, f"{last / baseline:.2f}", str(each.size), *process, each.url])
    return "\n".join("  ".join([*(f"{cell:>9}" for cell in row[:-1]), row[-1]]) for row in rows)


def main() -> None:
    """Measure what the arguments name; exits with 1 if an endpoint does not answer."""
    parser = argparse.ArgumentParser(prog="compare-agent", description=__doc__)
    parser.add_argument(
        "urls", nargs="+", metavar="URL", help="http://host:port/path; the first is the baseline"
    )
    parser.add_argument(
        "--runs", type=int, default=40, help="answers of each endpoint (default: %(default)s)"
    )
    parser.add_argument(
        "--pid", type=int, action="append", default=[], help="process of the URL in the same place"
    )
    parser.add_argument("--accept", default="", help="the Accept header (default: none)")
    parser.add_argument(
        "--gzip", action="store_true", help="ask for gzip; sizes are then those of what was sent"
    )
    parser.add_argument(
        "--timeout", type=float, default=60.0, help="seconds for one answer (default: %(default)s)"
    )
    options = parser.parse_args()
    if options.runs < 1:
        parser.error(f"--runs {options.runs}: give 1 or more")
    if len(options.pid) > len(options.urls):
        parser.error(
            f"--pid is given {len(options.pid)} times for {len(options.urls)} URLs: give at most as many"
        )
    for url in options.urls:
        if urlsplit(url).scheme != "http" or not urlsplit(url).hostname:
            parser.error(f"{url!r} is no http:// URL: give scheme, host, port and path")
    pids = [*options.pid, *[None] * (len(options.urls) - len(options.pid))]
    endpoints = [Endpoint(url, pid) for url, pid in zip(options.urls, pids, strict=True)]
    headers = {"Accept-Encoding": "gzip" if options.gzip else "identity"}
    if options.accept:
        headers["Accept"] = options.accept
    for each in endpoints:  # the first answer of a process is no measure of the others
        _measure(Endpoint(each.url, each.pid), headers, options.timeout)
    for _ in range(options.runs):
        for each in endpoints:
            _measure(each, headers, options.timeout)
    print(report(endpoints))


def _measure(endpoint: Endpoint, headers: dict[str, str], timeout: float) -> None:
    try:
        endpoint.measure(headers, timeout)
    except (OSError, HTTPException, ValueError) as exc:
        sys.exit(f"compare-agent: {endpoint.url}: {exc}")


if __name__ == "__main__":
    main()
