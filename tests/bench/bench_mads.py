"""Discovery: clients that wait in a long poll while one Dataplane of many changes, polls without a change, and HTTP SD.

A real store, reconciler and discovery server in a process of their own; the clients ask as Prometheus does, for gzip.
The baseline is serialising and compressing everything once, alone, in the same run; a curve shows what the size of the
mesh costs.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import statistics
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from figures import Figure
from measured import Measured
from worlds import in_target

from meshmeter.controlplane.discovery.sd_api import DISCOVERY_PATH, TARGETS_PATH
from meshmeter.controlplane.discovery.sd_bodies import FAST
from meshmeter.mads.assignments import AssignmentSnapshot, MonitoringAssignment, Target
from meshmeter.mads.messages import response_body

SIZES, QUICK_SIZES = (100, 1_000, 10_000), (100, 1_000)
"""Dataplanes."""

WAITING = 100
"""Clients in a long poll."""

ASKED = 250
"""Milliseconds after which all but one in a hundred of them have the answer, at 10 000 Dataplanes."""


@dataclass(frozen=True)
class Answer:
    """What a client got, and when: by `perf_counter`."""

    status: int
    headers: dict[str, str]
    body: bytes
    came: float

    def plain(self) -> bytes:
        """The body without its encoding; small ones have none."""
        return gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body


@contextmanager
def control_plane(dataplanes: int, proxies: int = 0) -> Iterator[Measured]:
    """Running, with so many Dataplanes known and tokens for so many proxies."""
    with tempfile.TemporaryDirectory(prefix="meshmeter-bench-") as folder:
        settings = {"folder": folder, "dataplanes": dataplanes, "proxies": proxies}
        measured = Measured("control_plane_process", Path(folder), settings)
        try:
            yield measured
        finally:
            measured.stop()


def figures(quick: bool) -> Iterator[Figure]:
    """For each size, and as a ratio to the smallest what should not depend on it."""
    yield from curve(QUICK_SIZES if quick else SIZES, 5 if quick else 15, 20 if quick else WAITING)


def curve(sizes: tuple[int, ...], changes: int, waiting: int) -> Iterator[Figure]:
    """`changes` of one Dataplane each, while so many clients wait."""
    smallest: _Found | None = None
    for size in sizes:
        with control_plane(size) as measured:
            found = asyncio.run(_measure(measured, size, changes, waiting))
        smallest = smallest or found
        yield from found.figures(smallest, sizes[0])


@dataclass(frozen=True)
class _Found:
    size: int
    waiting: int
    answered: list[float]
    """Milliseconds from a change to the whole answer, of every client."""
    cpu: float
    """Milliseconds of the server for a change and all the answers."""
    alone: float
    """Milliseconds to serialise and compress everything once."""
    unchanged: float
    """Milliseconds of a poll that waits for nothing and is told that there is nothing new."""
    unchanged_cpu: float
    listed: float
    """Milliseconds of a whole list for HTTP SD that was made before."""
    plain: int
    compressed: int

    def figures(self, smallest: _Found, least: int) -> Iterator[Figure]:
        of = f"{self.size} Dataplanes"
        clients = f"{self.waiting} waiting clients, {of}"
        alone, curve = "serialise and gzip alone", f"at {least}"
        asked = f" (asked: <= {ASKED} ms at 10 000)"
        middle, late = statistics.median(self.answered), quantile(self.answered, 0.99)
        yield Figure(
            f"one change to the answer, median of {clients}", middle, "ms", alone, middle / self.alone
        )
        yield Figure(
            f"one change to the answer, p99{asked} of {clients}", late, "ms", alone, late / self.alone
        )
        yield Figure(
            f"the same as a curve, p99 of {clients}",
            late,
            "ms",
            curve,
            late / quantile(smallest.answered, 0.99),
        )
        yield Figure(f"server CPU of one change, {clients}", self.cpu, "ms", curve, self.cpu / smallest.cpu)
        yield Figure(f"{alone}, {of}", self.alone, "ms", curve, self.alone / smallest.alone)
        yield Figure(
            f"poll without a change (asked: <= 1 ms), {of}",
            self.unchanged,
            "ms",
            curve,
            self.unchanged / smallest.unchanged,
        )
        yield Figure(
            f"server CPU of a poll without a change, {of}",
            self.unchanged_cpu,
            "ms",
            curve,
            self.unchanged_cpu / smallest.unchanged_cpu,
        )
        yield Figure(f"HTTP SD, a list made before, {of}", self.listed, "ms", alone, self.listed / self.alone)
        yield Figure(
            f"answer with gzip, {of}",
            self.compressed / 1e3,
            "kB",
            "the plain one",
            self.compressed / self.plain,
        )


async def _measure(measured: Measured, size: int, changes: int, waiting: int) -> _Found:
    port = json.loads(measured.said)["discovery"]
    clients = [await _Client.connect(port) for _ in range(waiting)]
    answer = await clients[0].discover("", wait=0)
    content = answer.plain()
    version, answered = json.loads(content)["version_info"], []
    used = 0.0
    for change in range(changes):
        polls = [asyncio.create_task(client.discover(version, wait=60)) for client in clients]
        await asyncio.sleep(
            0.1
        )  # until all wait: whoever comes too late gets the answer at once, which is no less true
        before = measured.cpu()
        changed, revision = (await asyncio.to_thread(measured.tell, f"dataplane {change % size}")).split()
        answers = await asyncio.gather(*polls)
        used += measured.cpu() - before
        new = answers[0].plain()
        assert in_target(int(revision)) in new and {a.status for a in answers} == {200}
        version = json.loads(new)["version_info"]
        answered += [(a.came - float(changed)) * 1000 for a in answers]
    unchanged, unchanged_cpu = await _repeated(measured, lambda: clients[0].discover(version, wait=0), 304)
    await clients[0].targets()
    listed, _ = await _repeated(measured, clients[0].targets, 200)
    for client in clients:
        await client.close()
    return _Found(
        size,
        waiting,
        answered,
        used / changes * 1000,
        _alone(content),
        unchanged,
        unchanged_cpu,
        listed,
        len(content),
        len(answer.body),
    )


async def _repeated(
    measured: Measured, ask: Callable[[], Awaitable[Answer]], status: int
) -> tuple[float, float]:
    """Milliseconds of a request, and of the server's CPU for it."""
    times, used = [], measured.cpu()
    for _ in range(200):
        began = perf_counter()
        answer = await ask()
        times.append((answer.came - began) * 1000)
        assert answer.status == status, answer
    return statistics.median(times), (measured.cpu() - used) / len(times) * 1000


def _alone(content: bytes) -> float:
    """Milliseconds of CPU to make the bytes of an answer from its assignments."""
    found = json.loads(content)["resources"]
    times = []
    for _ in range(3):
        snapshot = AssignmentSnapshot("", tuple(_assignment(document) for document in found))
        began = process_time()
        gzip.compress(response_body(snapshot), FAST, mtime=0)
        times.append((process_time() - began) * 1000)
    return statistics.median(times)


def _assignment(document: dict[str, Any]) -> MonitoringAssignment:
    service = document["service"]
    return MonitoringAssignment(document["mesh"], service, (service,), Target(**document["targets"][0]))


def quantile(values: list[float], share: float) -> float:
    """The value that this share of them is not above."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


class _Client:
    """One connection that is kept, with as little work of its own as may be."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, port: int) -> _Client:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 22))

    async def discover(self, version: str, wait: int) -> Answer:
        """As kuma_sd_configs ask."""
        body = json.dumps({"version_info": version, "type_url": "", "resource_names": []})
        return await self._ask("POST", f"{DISCOVERY_PATH}?fetch-timeout={wait}s", body)

    async def targets(self) -> Answer:
        """As http_sd_configs ask."""
        return await self._ask("GET", TARGETS_PATH)

    async def _ask(self, method: str, path: str, body: str = "") -> Answer:
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        content = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(first.split()[1]), headers, content, perf_counter())

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()
