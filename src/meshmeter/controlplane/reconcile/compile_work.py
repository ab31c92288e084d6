"""CompileWork: computes at once what is quickly computed, and beside the event loop what is not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.resource import ProxyKey

T = TypeVar("T")

LARGE = 16
"""Inbounds, outbounds and aggregate entries of a Dataplane that is compiled in a thread from the first time on."""

LONG = 0.02
"""Seconds that the last compilation of a proxy took at least if the next one is to be in a thread: a few outbounds into
services of very many instances are not seen by the Dataplane alone."""


class CompileWork:
    """One event loop only; one compilation at a time."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter):
        self._clock = clock
        self._long: set[ProxyKey] = set()

    async def run(self, key: ProxyKey, spec: DataplaneSpec, work: Callable[[], T]) -> T:
        """The result of `work`, which touches nothing that others change. Raises what it raises."""
        started = self._clock()
        try:
            if key in self._long or size(spec) > LARGE:
                return await asyncio.to_thread(work)
            return work()
        finally:
            if self._clock() - started >= LONG:
                self._long.add(key)
            else:
                self._long.discard(key)

    def forget(self, key: ProxyKey) -> None:
        """There is no such Dataplane any more."""
        self._long.discard(key)


def size(spec: DataplaneSpec) -> int:
    """How much of it there is to compile."""
    networking, metrics = spec.networking, spec.metrics
    entries = metrics.conf.aggregate if metrics is not None and metrics.conf is not None else None
    parts = (networking.inbound, networking.outbound) if networking is not None else ()
    return sum(len(part or ()) for part in (*parts, entries))
