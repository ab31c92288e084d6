"""MeshView: everything the store knows of one mesh, as one immutable input of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from meshmeter.effective.interfaces import listen_address, reachable_address
from meshmeter.effective.tls_stage import TlsStage, tls_stage
from meshmeter.resources.dataplane import SERVICE_TAG, DataplaneSpec, Networking
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import Resource
from meshmeter.resources.traffic_permission import TrafficPermissionSpec

MOST_NEIGHBOURS = 64
"""Dataplanes at one address that are compared with each other; a host with more is none that they share."""


@dataclass(frozen=True)
class MeshView:
    mesh: Resource[MeshSpec]
    dataplanes: Mapping[str, Resource[DataplaneSpec]] = field(default_factory=dict)
    """By name."""
    permissions: tuple[Resource[TrafficPermissionSpec], ...] = ()
    stage: TlsStage | None = None
    """How far mTLS is while it is being switched; None: as the Mesh says."""
    by_address: Mapping[str, Mapping[str, Resource[DataplaneSpec]]] = field(
        default_factory=dict, compare=False
    )
    """The Dataplanes by `networking.address`, then by name."""
    memo: dict[object, object] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What follows from this view alone, kept by those who compute it; it lives as long as the view."""

    @property
    def tls_stage(self) -> TlsStage:
        """How far services speak mTLS with each other. What a mesh is on its way to is its Mesh's to say."""
        return tls_stage(self.mesh.spec) if self.stage is None else self.stage

    def neighbours(self, dataplane: Resource[DataplaneSpec]) -> tuple[Resource[DataplaneSpec], ...]:
        """The other Dataplanes with the addresses of this one; none where they are more than `MOST_NEIGHBOURS`."""
        found = {
            name: other
            for address in {listen_address(dataplane.spec), reachable_address(dataplane.spec)}
            if len(at := self.by_address.get(address, {})) <= MOST_NEIGHBOURS
            for name, other in at.items()
            if name != dataplane.name
        }
        return tuple(found.values())

    @cached_property
    def providers(self) -> Mapping[str, tuple[Resource[DataplaneSpec], ...]]:
        """By service: the Dataplanes with an inbound of it, ordered by name."""
        found: dict[str, list[Resource[DataplaneSpec]]] = {}
        for _name, dataplane in sorted(self.dataplanes.items()):
            networking = dataplane.spec.networking or Networking()
            services = {(inbound.tags or {}).get(SERVICE_TAG) for inbound in networking.inbound or ()}
            for service in services:
                if service:
                    found.setdefault(service, []).append(dataplane)
        return {service: tuple(dataplanes) for service, dataplanes in found.items()}
