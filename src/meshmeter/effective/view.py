"""MeshView: everything the store knows of one mesh, as one immutable input of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from meshmeter.resources.dataplane import SERVICE_TAG, DataplaneSpec, Networking
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import Resource
from meshmeter.resources.traffic_permission import TrafficPermissionSpec


@dataclass(frozen=True)
class MeshView:
    mesh: Resource[MeshSpec]
    dataplanes: Mapping[str, Resource[DataplaneSpec]] = field(default_factory=dict)
    """By name."""
    permissions: tuple[Resource[TrafficPermissionSpec], ...] = ()
    memo: dict[object, object] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What follows from this view alone, kept by those who compute it; it lives as long as the view."""

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
