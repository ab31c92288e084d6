"""Every rule for a resource: what refuses it (`violations`) and what only deserves attention (`warnings`).

Both are total: they answer for any resource that can be built, and never raise. Field paths are relative to
the resource in its Universal form.
"""

from __future__ import annotations

from collections.abc import Iterator

from meshmeter.errors import Violation
from meshmeter.resources import paths, syntax
from meshmeter.resources.container_patch import ContainerPatchSpec
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.kinds import kind_of
from meshmeter.resources.mesh import KIND as MESH
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import AnyResource
from meshmeter.resources.traffic_permission import TrafficPermissionSpec
from meshmeter.resources.validation.container_patch import container_patch_violations
from meshmeter.resources.validation.dataplane import dataplane_violations
from meshmeter.resources.validation.mesh import mesh_change_violations, mesh_violations
from meshmeter.resources.validation.tags import permission_violations
from meshmeter.resources.validation.warnings import dataplane_warnings, mesh_warnings

__all__ = ["mesh_change_violations", "spec_violations", "violations", "warnings"]


def violations(resource: AnyResource) -> list[Violation]:
    """Every fault of the resource; empty if it is valid."""
    return [*meta_violations(resource), *spec_violations(resource)]


def meta_violations(resource: AnyResource) -> Iterator[Violation]:
    """Faults at `name`, `mesh` and `labels["..."]` (kuma-facts 1.3)."""
    meta = resource.meta
    if reason := syntax.name_fault(meta.name):
        yield Violation("name", reason)
    elif resource.kind == MESH and len(meta.name) > syntax.LONGEST_MESH_NAME:
        yield Violation("name", f"cannot be longer than {syntax.LONGEST_MESH_NAME} characters")
    if kind_of(resource.kind).mesh_scoped and (reason := syntax.mesh_reference_fault(meta.mesh)):
        yield Violation("mesh", reason)
    for key, value in meta.labels.items():
        at = paths.key("labels", key)
        if reason := syntax.label_key_fault(key):
            yield Violation(at, reason)
        if reason := syntax.label_value_fault(value):
            yield Violation(at, reason)


def spec_violations(resource: AnyResource) -> Iterator[Violation]:
    """The faults of its spec alone."""
    match resource.spec:
        case MeshSpec() as spec:
            yield from mesh_violations(resource.name, spec)
        case DataplaneSpec() as spec:
            yield from dataplane_violations(spec)
        case TrafficPermissionSpec() as spec:
            yield from permission_violations(spec)
        case ContainerPatchSpec() as spec:
            yield from container_patch_violations(spec)


def warnings(resource: AnyResource) -> list[Violation]:
    """What is accepted but probably not meant, or deprecated."""
    match resource.spec:
        case MeshSpec() as spec:
            return list(mesh_warnings(resource.name, spec))
        case DataplaneSpec() as spec:
            return list(dataplane_warnings(spec))
    return []
