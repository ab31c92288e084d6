"""Rules for names, meshes and labels (kuma-facts 1.3)."""

from __future__ import annotations

from collections.abc import Iterator

from meshmeter.errors import Violation
from meshmeter.resources import paths, syntax
from meshmeter.resources.kinds import KINDS
from meshmeter.resources.mesh import KIND as MESH
from meshmeter.resources.resource import AnyResource


def meta_violations(resource: AnyResource) -> Iterator[Violation]:
    """Faults at `name`, `mesh` and `labels["..."]`."""
    meta = resource.meta
    if reason := syntax.name_fault(meta.name):
        yield Violation("name", reason)
    elif resource.kind == MESH and len(meta.name) > syntax.LONGEST_MESH_NAME:
        yield Violation("name", f"cannot be longer than {syntax.LONGEST_MESH_NAME} characters")
    if KINDS[resource.kind].mesh_scoped and (reason := syntax.mesh_reference_fault(meta.mesh)):
        yield Violation("mesh", reason)
    for key, value in meta.labels.items():
        at = paths.key("labels", key)
        if reason := syntax.label_key_fault(key):
            yield Violation(at, reason)
        if reason := syntax.label_value_fault(value):
            yield Violation(at, reason)
