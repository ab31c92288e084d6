"""What happens to a document between a user and the store: decoding, rules that need the stored state, defaults.

Rules here know what is stored; those that look at a document alone are in `resources.validation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from meshmeter.controlplane.zone import with_zone
from meshmeter.errors import Violation
from meshmeter.resources import mesh
from meshmeter.resources.defaults import with_defaults
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import EPOCH, AnyResource
from meshmeter.resources.syntax import LONGEST_MESH_NAME
from meshmeter.resources.validation import mesh_change_violations


OWN_ANNOTATIONS = "meshmeter.io/"
"""Prefix of annotations that only the control plane writes."""


def is_kubernetes(document: Mapping[str, Any]) -> bool:
    """Whether a document is in the Kubernetes form, as the codec decides it."""
    return "apiVersion" in document or ("kind" in document and "type" not in document)


def change_violations(new: AnyResource, stored: AnyResource | None) -> list[Violation]:
    """Why this resource may not take the place of the stored one, or be created (kuma-facts 1.3, 1.4)."""
    if new.kind != mesh.KIND:
        return []
    if stored is None:
        if len(new.name) > LONGEST_MESH_NAME:
            return [Violation("name", f"cannot be longer than {LONGEST_MESH_NAME} characters")]
        return []
    assert isinstance(stored.spec, MeshSpec) and isinstance(new.spec, MeshSpec)
    return mesh_change_violations(stored.spec, new.spec)


def completed(new: AnyResource, stored: AnyResource | None, *, kubernetes: bool, zone: str) -> AnyResource:
    """The resource as it is stored: with defaults and zone, and with what its form cannot say.

    Annotations and the namespace of a Kubernetes object survive a change in the Universal form, which has no place
    for them. Our own annotations are never taken from a document.
    """
    given = {k: v for k, v in new.meta.annotations.items() if not k.startswith(OWN_ANNOTATIONS)}
    extensions = new.meta.name_extensions
    if stored is not None:
        kept = {
            k: v
            for k, v in stored.meta.annotations.items()
            if not kubernetes or k.startswith(OWN_ANNOTATIONS)
        }
        given = {**kept, **given}
        extensions = extensions or (stored.meta.name_extensions if not kubernetes else extensions)
    meta = replace(new.meta, annotations=given, name_extensions=extensions)
    return with_zone(with_defaults(replace(new, meta=meta)), zone)


def same_content(one: AnyResource, other: AnyResource) -> bool:
    """Equal in everything but version and times."""
    return one.kind == other.kind and one.spec == other.spec and _content(one) == _content(other)


def _content(resource: AnyResource) -> object:
    return replace(resource.meta, version=0, creation_time=EPOCH, modification_time=EPOCH)
