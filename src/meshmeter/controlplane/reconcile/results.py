"""Results: what was compiled last for each proxy, and what Prometheus, agents and Envoys are told of it.

Each of the three is told only where it differs from what is out already.
"""

from __future__ import annotations

from collections.abc import Set

from meshmeter.controlplane.reconcile.published import Published
from meshmeter.mads.assignments import AssignmentSnapshot, build_snapshot
from meshmeter.pipeline import CompiledProxy
from meshmeter.resources.resource import ProxyKey
from meshmeter.scrape.config import ScrapeConfig
from meshmeter.xds.cache import SnapshotCache


class Results:
    """One event loop only."""

    def __init__(self, cache: SnapshotCache):
        self._cache = cache
        self._compiled: dict[ProxyKey, CompiledProxy] = {}
        self._agent_configs: dict[ProxyKey, Published[ScrapeConfig | None]] = {}
        """Of those that somebody has asked for."""
        self.assignments: Published[AssignmentSnapshot] = Published(build_snapshot(()))

    def compiled(self, key: ProxyKey) -> CompiledProxy | None:
        """The latest of one Dataplane, or None if there is none (yet)."""
        return self._compiled.get(key)

    def proxies(self) -> Set[ProxyKey]:
        """Every Dataplane of which there are results."""
        return self._compiled.keys()

    def agent_config(self, key: ProxyKey) -> Published[ScrapeConfig | None]:
        """The agent's configuration, to read and to wait on; its value is None while there is no such Dataplane."""
        found = self._agent_configs.get(key)
        if found is None:
            compiled = self._compiled.get(key)
            found = self._agent_configs[key] = Published(compiled.agent_config if compiled else None)
        return found

    def awaited(self) -> Set[ProxyKey]:
        """Every proxy whose agent has asked for its configuration."""
        return self._agent_configs.keys()

    def forget_awaited(self, key: ProxyKey) -> None:
        """Nobody waits for this configuration any more."""
        self._agent_configs.pop(key, None)

    def publish(self, key: ProxyKey, result: CompiledProxy) -> None:
        """Tell agent and Envoy; Prometheus is told of many at once, see `publish_assignments`."""
        self._compiled[key] = result
        if result.snapshot is None:
            self._cache.clear(*key)
        else:
            self._cache.set(*key, result.snapshot)
        self._publish_agent_config(key, result.agent_config)

    def withdraw(self, key: ProxyKey) -> None:
        """There is no such Dataplane any more."""
        self._compiled.pop(key, None)
        self._cache.clear(*key)
        self._publish_agent_config(key, None)

    def _publish_agent_config(self, key: ProxyKey, config: ScrapeConfig | None) -> None:
        published = self._agent_configs.get(key)
        if published is not None and published.value != config:
            published.set(config)

    def publish_assignments(self) -> None:
        """Tell Prometheus what there is now."""
        snapshot = build_snapshot(
            result.assignment for result in self._compiled.values() if result.assignment is not None
        )
        if snapshot.version != self.assignments.value.version:
            self.assignments.set(snapshot)
