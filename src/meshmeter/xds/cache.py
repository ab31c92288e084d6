"""SnapshotCache: the latest snapshot of each proxy, and who wants to know of the next one."""

from __future__ import annotations

from collections.abc import Callable

from meshmeter.xds.snapshot import Snapshot

Wake = Callable[[], None]


class SnapshotCache:
    """By mesh and name. Not thread-safe: set and watched on one event loop."""

    def __init__(self) -> None:
        self._snapshots: dict[tuple[str, str], Snapshot] = {}
        self._watchers: dict[tuple[str, str], list[Wake]] = {}

    def get(self, mesh: str, name: str) -> Snapshot | None:
        """The latest snapshot; None if the proxy has none (yet): it is then to wait."""
        return self._snapshots.get((mesh, name))

    def set(self, mesh: str, name: str, snapshot: Snapshot) -> None:
        """Replace the snapshot. Watchers are woken unless it has the same content as before."""
        before = self._snapshots.get((mesh, name))
        self._snapshots[mesh, name] = snapshot
        if before is None or before.versions != snapshot.versions:
            self._wake(mesh, name)

    def clear(self, mesh: str, name: str) -> None:
        """Forget the snapshot. A connected proxy keeps what it has."""
        self._snapshots.pop((mesh, name), None)

    def watch(self, mesh: str, name: str, wake: Wake) -> Callable[[], None]:
        """Call `wake`, which must neither block nor raise, after every change; what is returned ends that."""
        watchers = self._watchers.setdefault((mesh, name), [])
        watchers.append(wake)

        def stop() -> None:
            if wake in watchers:
                watchers.remove(wake)
            if not watchers and self._watchers.get((mesh, name)) is watchers:
                del self._watchers[mesh, name]

        return stop

    def _wake(self, mesh: str, name: str) -> None:
        for wake in tuple(self._watchers.get((mesh, name), ())):
            wake()
