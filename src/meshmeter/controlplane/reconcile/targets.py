"""Targets: how the metrics proxies of each mesh reach its endpoints, and which proxies are metrics proxies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Set

from meshmeter.effective.targets import MetricsTarget
from meshmeter.effective.view import MeshView
from meshmeter.pipeline import reads_targets
from meshmeter.resources.resource import ProxyKey


class Targets:
    """Of all meshes. Not thread-safe."""

    def __init__(self) -> None:
        self._targets: defaultdict[str, dict[str, MetricsTarget]] = defaultdict(dict)
        """By mesh and name of the Dataplane."""
        self._readers: set[ProxyKey] = set()
        """Proxies whose snapshots depend on the targets of their meshes."""

    def find_readers(self, views: dict[str, MeshView | None], dirty: Set[ProxyKey]) -> set[ProxyKey]:
        """Those of the dirty proxies that read the targets of others; the set of all of them is brought up to date."""
        self._readers -= dirty
        for mesh, name in dirty:
            view = views[mesh]
            dataplane = view.dataplanes.get(name) if view else None
            if dataplane is not None and reads_targets(dataplane):
                self._readers.add((mesh, name))
        return self._readers & dirty

    def of_others(self, key: ProxyKey) -> Collection[MetricsTarget]:
        """What this proxy reads: the targets of all others of its mesh if it is a metrics proxy, else nothing."""
        if key not in self._readers:
            return ()
        mesh, name = key
        return tuple(target for other, target in self._targets.get(mesh, {}).items() if other != name)

    def take(self, key: ProxyKey, target: MetricsTarget | None) -> set[ProxyKey]:
        """Take over the target of one proxy, None if it has none; the readers to whom that is news."""
        mesh, name = key
        targets = self._targets[mesh]
        if targets.get(name) == target:
            if not targets:
                del self._targets[mesh]
            return set()
        if target is None:
            del targets[name]
            if not targets:
                del self._targets[mesh]
        else:
            targets[name] = target
        return {reader for reader in self._readers if reader[0] == mesh and reader != key}
