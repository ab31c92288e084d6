"""ProxyRegistry: what the control plane knows of each running proxy, beside its resource.

It collects signs of life (ADS streams, agent polls), what Envoy acknowledged or refused, and the agent's last scrape
report. It is memory only: after a restart proxies tell everything again within seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from meshmeter.controlplane.proxies.status import Nack, ProxyStatus
from meshmeter.quoting import quoted
from meshmeter.resources.resource import ProxyKey
from meshmeter.times import rfc3339

RETURN_SECONDS = 60.0
"""How long proxies may take to come back after a start of the control plane; they try every 30 s at the least."""

LONGEST_VERSION = 64
"""Characters that are kept of what says which version it is."""


@dataclass(slots=True)
class _Entry:
    status: ProxyStatus = field(default_factory=ProxyStatus)
    streams: int = 0
    polls: int = 0
    last_seen: float = 0.0


class ProxyRegistry:
    """By mesh and name. One event loop only."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ):
        self._clock = clock
        self._now = now
        self._started = clock()
        self._entries: dict[ProxyKey, _Entry] = {}

    def status(self, mesh: str, name: str) -> ProxyStatus:
        """What is known of the proxy; an empty status if it never appeared."""
        entry = self._entries.get((mesh, name))
        return entry.status if entry else ProxyStatus()

    def keys(self) -> Set[ProxyKey]:
        """Every proxy of which anything is kept."""
        return self._entries.keys()

    def connected(self) -> int:
        """How many proxies have an ADS stream."""
        return sum(1 for entry in self._entries.values() if entry.streams)

    def absent_for(self, key: ProxyKey) -> float:
        """Seconds since the last sign of life, 0 while there is one.

        A proxy that has not been seen since our own start may have been there before it: its absence begins when it
        has had time to come back.
        """
        entry = self._entries.get(key)
        if entry is None:
            return max(0.0, self._clock() - self._started - RETURN_SECONDS)
        return 0.0 if entry.streams or entry.polls else self._clock() - entry.last_seen

    def forget(self, key: ProxyKey) -> None:
        """Drop what is known of a proxy that has gone for good; open streams and polls stay counted."""
        entry = self._entries.get(key)
        if entry is not None and not entry.streams and not entry.polls:
            del self._entries[key]

    # Signs of life

    def stream_opened(self, mesh: str, name: str, agent_version: str, envoy_version: str) -> None:
        entry = self._touch(mesh, name)
        entry.streams += 1
        entry.status = replace(
            entry.status,
            connected_since=entry.status.connected_since or self._now(),
            agent_version=quoted(agent_version, LONGEST_VERSION),
            envoy_version=quoted(envoy_version, LONGEST_VERSION),
        )

    def stream_closed(self, mesh: str, name: str) -> None:
        """The proxy's last stream has ended."""
        entry = self._entries.get((mesh, name))
        if entry is None:
            return
        entry.last_seen = self._clock()
        entry.streams = 0
        entry.status = replace(entry.status, connected_since=None, acknowledged={}, nack=None)

    def registered(self, mesh: str, name: str) -> None:
        """The agent has just registered; its streams and polls follow."""
        self._touch(mesh, name)

    @contextmanager
    def poll(self, mesh: str, name: str) -> Iterator[None]:
        """While an agent's poll is open it counts as there."""
        entry = self._touch(mesh, name)
        entry.polls += 1
        try:
            yield
        finally:
            entry.polls -= 1
            entry.last_seen = self._clock()

    # What they say

    def acknowledged(self, mesh: str, name: str, type_url: str, version: str) -> None:
        """Envoy took a version over; an earlier refusal of that type is settled."""
        entry = self._touch(mesh, name)
        nack = entry.status.nack
        entry.status = replace(
            entry.status,
            acknowledged={**entry.status.acknowledged, type_url: version},
            nack=None if nack and nack.type_url == type_url else nack,
        )

    def refused(self, mesh: str, name: str, type_url: str, message: str) -> None:
        """Envoy refused a version, with these words, already quoted."""
        entry = self._touch(mesh, name)
        entry.status = replace(entry.status, nack=Nack(type_url, message, self._now()))

    def reported(self, mesh: str, name: str, report: dict[str, Any]) -> None:
        """The agent told of its last scrape."""
        entry = self._touch(mesh, name)
        entry.status = replace(
            entry.status,
            last_report={**report, "received_at": rfc3339(self._now(), "milliseconds")},
        )

    def _touch(self, mesh: str, name: str) -> _Entry:
        entry = self._entries.setdefault((mesh, name), _Entry())
        entry.last_seen = self._clock()
        return entry
