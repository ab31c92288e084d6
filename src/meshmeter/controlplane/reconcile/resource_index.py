"""ResourceIndex: all resources by what refers to what, kept current by events of the store.

It answers two questions: what does a mesh look like now (`view`), and which proxies may come out differently after
a change (`apply` returns them).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from meshmeter.controlplane.admission.written_by import is_away
from meshmeter.effective.interfaces import listen_address
from meshmeter.effective.view import MOST_NEIGHBOURS, MeshView
from meshmeter.resources import dataplane, mesh, traffic_permission
from meshmeter.resources.dataplane import SERVICE_TAG, DataplaneSpec
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import AnyResource, Key, ProxyKey, Resource
from meshmeter.resources.traffic_permission import TrafficPermissionSpec


@dataclass(slots=True)
class _Mesh:
    mesh: Resource[MeshSpec] | None = None
    dataplanes: dict[str, Resource[DataplaneSpec]] = field(default_factory=dict)
    permissions: dict[str, Resource[TrafficPermissionSpec]] = field(default_factory=dict)
    all_permissions: tuple[Resource[TrafficPermissionSpec], ...] = ()
    """One value as long as none changes: what is compiled keeps it."""
    by_address: defaultdict[str, dict[str, Resource[DataplaneSpec]]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    """By `networking.address`, then by name."""
    consumers: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Service to the names of the Dataplanes that have an outbound to it."""


class ResourceIndex:
    """All meshes. Not thread-safe; owned by one task."""

    def __init__(self, resources: Iterable[AnyResource] = ()):
        self._meshes: defaultdict[str, _Mesh] = defaultdict(_Mesh)
        for resource in resources:
            self.apply(resource.key, resource)

    def apply(self, key: Key, resource: AnyResource | None) -> set[ProxyKey]:
        """Take over one change (`None`: deleted); the proxies whose projections may differ now.

        A Mesh or a TrafficPermission touches its whole mesh, a Dataplane itself and those that call its services.
        """
        name = key.name if key.kind == mesh.KIND else key.mesh
        touched = self._apply(self._meshes[name], key, resource)
        state = self._meshes[name]
        if state.mesh is None and not state.dataplanes and not state.permissions:
            del self._meshes[name]
        return touched

    def _apply(self, state: _Mesh, key: Key, resource: AnyResource | None) -> set[ProxyKey]:
        if key.kind == mesh.KIND:
            state.mesh = resource
            return self._all(key.name)
        if key.kind == traffic_permission.KIND:
            if resource is None:
                state.permissions.pop(key.name, None)
            else:
                state.permissions[key.name] = resource
            state.all_permissions = tuple(state.permissions.values())
            return self._all(key.mesh)
        if key.kind == dataplane.KIND:
            if resource is not None and is_away(resource):
                resource = None  # kept in the store for what an operator wrote, and nowhere else
            return {(key.mesh, name) for name in self._apply_dataplane(state, key.name, resource)}
        return set()

    @staticmethod
    def _apply_dataplane(state: _Mesh, name: str, new: Resource[DataplaneSpec] | None) -> set[str]:
        old = state.dataplanes.pop(name, None)
        touched = {name}
        for version in (old, new):
            if version is not None:
                for service in _provided(version):
                    touched |= state.consumers.get(service, set())
        if old is not None:
            touched |= _leave(state, name, listen_address(old.spec))
            for service in _consumed(old):
                state.consumers[service].discard(name)
                if not state.consumers[service]:
                    del state.consumers[service]
        if new is not None:
            state.dataplanes[name] = new
            at = state.by_address[listen_address(new.spec)]
            at[name] = new
            touched |= at.keys() if len(at) <= MOST_NEIGHBOURS else set()
            for service in _consumed(new):
                state.consumers[service].add(name)
        return touched

    def _all(self, mesh_name: str) -> set[ProxyKey]:
        return {(mesh_name, name) for name in self._meshes[mesh_name].dataplanes}

    def view(self, mesh_name: str) -> MeshView | None:
        """The mesh as one immutable value, or None if there is no such Mesh."""
        state = self._meshes.get(mesh_name)
        if state is None or state.mesh is None:
            return None
        return MeshView(
            state.mesh, dict(state.dataplanes), state.all_permissions, by_address=state.by_address
        )

    def dataplane(self, key: ProxyKey) -> Resource[DataplaneSpec] | None:
        state = self._meshes.get(key[0])
        return state.dataplanes.get(key[1]) if state else None

    def has_mesh(self, name: str) -> bool:
        """Whether there is such a Mesh."""
        state = self._meshes.get(name)
        return state is not None and state.mesh is not None

    def meshes(self) -> Iterator[str]:
        """The name of every Mesh there is."""
        return (name for name, state in self._meshes.items() if state.mesh is not None)

    def proxies(self) -> Iterator[ProxyKey]:
        """Every Dataplane there is."""
        for mesh_name, state in self._meshes.items():
            for name in state.dataplanes:
                yield mesh_name, name


def _leave(state: _Mesh, name: str, address: str) -> set[str]:
    """Take a Dataplane from its address; those that are left there."""
    at = state.by_address[address]
    del at[name]
    if not at:
        del state.by_address[address]
    return set(at) if len(at) <= MOST_NEIGHBOURS else set()


def _provided(resource: Resource[DataplaneSpec]) -> set[str]:
    networking = resource.spec.networking
    if networking is None:
        return set()
    tags = [inbound.tags for inbound in networking.inbound or ()]
    if networking.gateway is not None:
        tags.append(networking.gateway.tags)
    return {t[SERVICE_TAG] for t in tags if t and SERVICE_TAG in t}


def _consumed(resource: Resource[DataplaneSpec]) -> set[str]:
    networking = resource.spec.networking
    outbounds = networking.outbound or () if networking else ()
    return {o.tags[SERVICE_TAG] for o in outbounds if o.tags and SERVICE_TAG in o.tags}
