"""The resource API: what applying one Dataplane and reading a page of a list cost in a mesh that grows, and for how
long the event loop answers nobody meanwhile.

A whole control plane as it is run, with its store on disk; the Dataplanes are applied by its own API. The baseline of
each figure is the same with the smallest mesh in the same run.
"""

from __future__ import annotations

import http.client
import json
import statistics
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from figures import Figure
from worlds import bench_dataplane, bench_mesh

from meshmeter.resources.codec import to_universal
from support.processes import ControlPlane, Processes, start_control_plane

SIZES, QUICK_SIZES = (100, 1_000, 10_000), (50, 200)
"""Dataplanes."""

BATCH = 500
"""Documents that are applied together while the mesh grows."""

PAGE = 100

ASKED, HELD = 20, 50
"""Milliseconds: of a request, and for which the event loop may answer nobody."""


def figures(quick: bool) -> Iterator[Figure]:
    """For each size, and as a ratio to the smallest."""
    yield from curve(QUICK_SIZES if quick else SIZES, 10 if quick else 50)


def curve(sizes: tuple[int, ...], requests: int) -> Iterator[Figure]:
    """`requests` of each kind in meshes of these sizes, which grow one from the other."""
    with _control_plane() as control_plane, closing(_Api(control_plane)) as api:
        api.apply([to_universal(bench_mesh(0))])
        known, smallest = 0, None
        for size in sizes:
            for first in range(known, size, BATCH):
                last = min(size, first + BATCH)
                api.apply([to_universal(bench_dataplane(n, 0)) for n in range(first, last)])
            known = size
            found = _measure(api, size, requests)
            smallest = smallest or found
            yield from _figures(found, smallest, sizes[0], size)


@dataclass
class _Found:
    """Milliseconds."""

    apply: list[float] = field(default_factory=list)
    page: list[float] = field(default_factory=list)
    held: float = 0.0
    """The longest answer of `/healthy`, which waits for nothing but the event loop, while all this happened."""


def _measure(api: _Api, size: int, requests: int) -> _Found:
    found = _Found()
    with api.watched() as health:
        for n in range(requests):
            found.apply.append(_timed(partial(api.put, to_universal(bench_dataplane(n % size, n + 1)))))
            found.page.append(_timed(api.page))
    found.held = max(health)
    return found


def _figures(found: _Found, smallest: _Found, least: int, size: int) -> Iterator[Figure]:
    of, baseline = f"{size} Dataplanes", f"at {least}"
    for what, now, then in (
        (f"apply of one Dataplane (asked: <= {ASKED} ms), {of}", found.apply, smallest.apply),
        (f"page of {PAGE} of a list (asked: <= {ASKED} ms), {of}", found.page, smallest.page),
    ):
        value = statistics.median(now)
        yield Figure(what, value, "ms", baseline, value / statistics.median(then))
    yield Figure(
        f"event loop held at most (asked: <= {HELD} ms), {of}",
        found.held,
        "ms",
        baseline,
        found.held / smallest.held,
    )


def _timed(request: Callable[[], None]) -> float:
    began = perf_counter()
    request()
    return (perf_counter() - began) * 1000


@contextmanager
def _control_plane() -> Iterator[ControlPlane]:
    with tempfile.TemporaryDirectory(prefix="meshmeter-bench-") as folder:
        processes = Processes(Path(folder), warm=False)
        try:
            yield start_control_plane(processes, Path(folder))
        finally:
            processes.close()


class _Api:
    """One connection that is kept, with the admin token."""

    def __init__(self, control_plane: ControlPlane):
        self._api = http.client.HTTPConnection(urlsplit(control_plane.url("api")).netloc, timeout=600)
        self._diagnostics = urlsplit(control_plane.url("diagnostics")).netloc
        token = (control_plane.data_dir / "admin.token").read_text().strip()
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def close(self) -> None:
        self._api.close()

    def apply(self, documents: list[Any]) -> None:
        """All together."""
        self._ask("POST", "/_apply", {"documents": documents})

    def put(self, document: Any) -> None:
        """One Dataplane."""
        self._ask("PUT", f"/meshes/{document['mesh']}/dataplanes/{document['name']}", document)

    def page(self) -> None:
        """The first of a list."""
        self._ask("GET", f"/meshes/{bench_mesh(0).name}/dataplanes?size={PAGE}")

    def _ask(self, method: str, path: str, body: Any = None) -> None:
        content = None if body is None else json.dumps(body)
        self._api.request(method, path, content, self._headers)
        response = self._api.getresponse()
        answer = response.read()
        assert response.status in (200, 201), (response.status, answer[:500])

    @contextmanager
    def watched(self) -> Iterator[list[float]]:
        """How long each of many answers of the diagnostics server took, one after the other, in milliseconds."""
        times: list[float] = []
        over = threading.Event()

        def ask() -> None:
            connection = http.client.HTTPConnection(self._diagnostics, timeout=600)
            while not over.wait(0.001):
                began = perf_counter()
                connection.request("GET", "/healthy")
                connection.getresponse().read()
                times.append((perf_counter() - began) * 1000)
            connection.close()

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield times
        finally:
            over.set()
            thread.join()
