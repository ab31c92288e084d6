"""Every rule for a resource: what refuses it (`violations`) and what only deserves attention (`warnings`).

Both are total: they answer for any resource that can be built, and never raise. Field paths are relative to
the resource in its Universal form.
"""

from __future__ import annotations

from collections.abc import Iterator

from meshmeter.errors import Violation
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import AnyResource
from meshmeter.resources.traffic_permission import TrafficPermissionSpec
from meshmeter.resources.validation.dataplane import dataplane_violations
from meshmeter.resources.validation.mesh import mesh_change_violations, mesh_violations
from meshmeter.resources.validation.meta import meta_violations
from meshmeter.resources.validation.permission import permission_violations
from meshmeter.resources.validation.warnings import dataplane_warnings, mesh_warnings

__all__ = ["mesh_change_violations", "spec_violations", "violations", "warnings"]


def violations(resource: AnyResource) -> list[Violation]:
    """Every fault of the resource; empty if it is valid."""
    return [*meta_violations(resource), *spec_violations(resource)]


def spec_violations(resource: AnyResource) -> Iterator[Violation]:
    """The faults of its spec alone."""
    match resource.spec:
        case MeshSpec() as spec:
            yield from mesh_violations(resource.name, spec)
        case DataplaneSpec() as spec:
            yield from dataplane_violations(spec)
        case TrafficPermissionSpec() as spec:
            yield from permission_violations(spec)


def warnings(resource: AnyResource) -> list[Violation]:
    """What is accepted but probably not meant, or deprecated."""
    match resource.spec:
        case MeshSpec() as spec:
            return list(mesh_warnings(resource.name, spec))
        case DataplaneSpec() as spec:
            return list(dataplane_warnings(spec))
    return []
