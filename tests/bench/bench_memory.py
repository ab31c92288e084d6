"""Memory of the agent: at a body of 50 MB, and over a thousand scrapes."""

from __future__ import annotations

from collections.abc import Iterator

from bench_merge import application_body, kernels
from bench_scrape import running_world, scrape, two_applications
from figures import Figure

LARGE = 50_000_000
"""Bytes of an application that has a limit of its own."""


def figures(quick: bool) -> Iterator[Figure]:
    """Resident memory in MB, each against the agent before its first scrape."""
    for kernel in kernels():
        yield from _large_body(kernel.name)
        yield from _many_scrapes(kernel.name, 50 if quick else 1000)


def _large_body(kernel: str) -> Iterator[Figure]:
    series = 100_000
    body = application_body(series)
    body = b"".join(body.replace(b"app_", b"app%d_" % n) for n in range(LARGE // len(body)))
    with running_world(40, kernel, [body], limit=2 * LARGE) as world:
        idle, _ = world.agent.memory()
        for _ in range(3):
            _, _, size = scrape(world.port)
        _, peak = world.agent.memory()
    assert size > 0.9 * len(body)
    name = f"agent RSS peak, one application of {len(body) / 1e6:.0f} MB, {kernel}"
    yield Figure(name, round(peak, 1), "MB", "idle", round(peak / idle, 2))


def _many_scrapes(kernel: str, count: int) -> Iterator[Figure]:
    with running_world(40, kernel, two_applications()) as world:
        settled = count // 10
        for _ in range(settled):
            scrape(world.port)
        before, _ = world.agent.memory()
        for _ in range(count - settled):
            scrape(world.port)
        after, _ = world.agent.memory()
    name = f"agent RSS after {count} scrapes, {kernel}"
    yield Figure(name, round(after, 1), "MB", f"after {settled}", round(after / before, 3))
