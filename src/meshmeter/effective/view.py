"""MeshView: everything the store knows of one mesh, as one immutable input of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import Resource
from meshmeter.resources.traffic_permission import TrafficPermissionSpec


@dataclass(frozen=True, slots=True)
class MeshView:
    mesh: Resource[MeshSpec]
    dataplanes: Mapping[str, Resource[DataplaneSpec]] = field(default_factory=dict)
    """By name."""
    permissions: tuple[Resource[TrafficPermissionSpec], ...] = ()
