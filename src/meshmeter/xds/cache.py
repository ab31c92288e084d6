"""SnapshotCache: the current snapshot of every proxy, and who wants to know when it changes."""

from __future__ import annotations

from collections.abc import Callable

from meshmeter.xds.snapshot import Snapshot

Watcher = Callable[[], None]


class SnapshotCache:
    """Snapshots by mesh and name of the proxy. Not thread-safe; watchers are called by whoever sets."""

    def __init__(self) -> None:
        self._snapshots: dict[tuple[str, str], Snapshot] = {}
        self._watchers: dict[tuple[str, str], set[Watcher]] = {}

    def get(self, mesh: str, name: str) -> Snapshot | None:
        return self._snapshots.get((mesh, name))

    def set(self, mesh: str, name: str, snapshot: Snapshot) -> None:
        """Replace the proxy's snapshot; watchers hear of it if it differs."""
        key = (mesh, name)
        if self._snapshots.get(key) != snapshot:
            self._snapshots[key] = snapshot
            for watcher in tuple(self._watchers.get(key, ())):
                watcher()

    def clear(self, mesh: str, name: str) -> None:
        """Forget the snapshot. Streams keep what they have sent: a proxy without configuration serves its last."""
        self._snapshots.pop((mesh, name), None)

    def watch(self, mesh: str, name: str, watcher: Watcher) -> Callable[[], None]:
        """Have `watcher` called after each change; the result ends that."""
        key = (mesh, name)
        self._watchers.setdefault(key, set()).add(watcher)

        def stop() -> None:
            watchers = self._watchers.get(key, set())
            watchers.discard(watcher)
            if not watchers:
                self._watchers.pop(key, None)

        return stop
