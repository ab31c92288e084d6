"""What happens to a document between a user and the store: decoding, rules that need the stored state, defaults.

Rules here know what is stored; those that look at a document alone are in `resources.validation`.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace
from typing import Any

from meshmeter.controlplane.admission.written_by import (
    agent_layer,
    is_registered,
    joint_spec,
    left_out,
    marked,
    marks_of,
    plain,
    together,
)
from meshmeter.controlplane.admission.zone import with_zone
from meshmeter.documents.forms import is_kubernetes
from meshmeter.errors import InvalidResource, Violation
from meshmeter.resources import codec, dataplane, mesh
from meshmeter.resources.defaults import with_defaults
from meshmeter.resources.kinds import KINDS
from meshmeter.resources.limits import DEFAULT_LIMITS, Limits, check_sizes
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import EPOCH, AnyResource, Key
from meshmeter.resources.syntax import LONGEST_MESH_NAME
from meshmeter.resources.validation.rules import mesh_change_violations, violations

OWN_ANNOTATIONS = "meshmeter.io/"
"""Prefix of annotations that only the control plane writes."""


def change_violations(new: AnyResource, stored: AnyResource | None) -> list[Violation]:
    """Why this resource may not take the place of the stored one, or be created (kuma-facts 1.3, 1.4)."""
    if new.kind == dataplane.KIND and stored is not None and (agent := _agent_below(stored)) is not None:
        return joint_violations(agent, new, left_out(agent, new))
    if new.kind != mesh.KIND:
        return []
    if stored is None:
        if len(new.name) > LONGEST_MESH_NAME:
            return [Violation("name", f"cannot be longer than {LONGEST_MESH_NAME} characters")]
        return []
    assert isinstance(stored.spec, MeshSpec) and isinstance(new.spec, MeshSpec)
    return mesh_change_violations(stored.spec, new.spec)


def joint_violations(
    agent: AnyResource, operator: AnyResource, removed: Set[str] = frozenset()
) -> list[Violation]:
    """Faults of what an agent sent and what an operator applied together (decision 0003)."""
    both = replace(agent, spec=joint_spec(agent, operator, removed))
    return [
        Violation(fault.field, f"{fault.reason} (the agent's document and the applied one together)")
        for fault in violations(both)
    ]


def _agent_below(stored: AnyResource) -> AnyResource | None:
    return agent_layer(stored) if is_registered(stored) else None


def without_own_annotations(sent: AnyResource) -> AnyResource:
    """What somebody sent, without annotations that only the control plane writes."""
    given = {k: v for k, v in sent.meta.annotations.items() if not k.startswith(OWN_ANNOTATIONS)}
    return replace(sent, meta=replace(sent.meta, annotations=given))


def completed(new: AnyResource, stored: AnyResource | None, *, kubernetes: bool, zone: str) -> AnyResource:
    """The resource as it is stored: with defaults and zone, and with what its form cannot say.

    Annotations and the namespace of a Kubernetes object survive a change in the Universal form, which has no place
    for them. Our own annotations are never taken from a document. What is applied to the Dataplane of an agent is laid
    over what that agent sent.
    """
    given = without_own_annotations(new).meta.annotations
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
    written = with_defaults(replace(new, meta=meta))
    if stored is not None and new.kind == dataplane.KIND and is_registered(stored):
        agent, applied = agent_layer(stored), plain(written)
        removed = left_out(agent, applied) if agent is not None else frozenset[str]()
        return marked(together(agent, applied, zone=zone, removed=removed), marks_of(stored))
    return with_zone(written, zone)


def same_content(one: AnyResource, other: AnyResource) -> bool:
    """Equal in everything but version and times."""
    return one.kind == other.kind and one.spec == other.spec and _content(one) == _content(other)


def _content(resource: AnyResource) -> object:
    return replace(resource.meta, version=0, creation_time=EPOCH, modification_time=EPOCH)


def decode_for(document: Mapping[str, Any], key: Key, limits: Limits = DEFAULT_LIMITS) -> AnyResource:
    """The resource of a body that has to be the one of the path. Raises InvalidResource with every fault."""
    check_sizes(document, limits)
    faults: list[Violation] = []
    resource: AnyResource | None = None
    try:
        resource = codec.decode(document)
    except InvalidResource as exc:
        faults += exc.violations
    named = {violation.field for violation in faults}
    for field, written, wanted in _identity(document, resource, key):
        if written != wanted and field not in named:
            word = {"kind": "type"}.get(field, field.rpartition(".")[2])
            faults.append(Violation(field, f"{word} from the URL has to be the same as in body"))
    if faults or resource is None:
        raise InvalidResource(faults)
    return resource


def _identity(
    document: Mapping[str, Any], resource: AnyResource | None, key: Key
) -> list[tuple[str, object, str]]:
    """Field, what the body says there, and what the path says, for everything that identifies the resource."""
    kubernetes = is_kubernetes(document)
    kind_field, name_field = ("kind", "metadata.name") if kubernetes else ("type", "name")
    scoped = KINDS[key.kind].mesh_scoped
    if resource is not None:
        found = [(kind_field, resource.kind, key.kind), (name_field, resource.name, key.name)]
        return [*found, ("mesh", resource.mesh, key.mesh)] if scoped else list(found)
    identity: list[tuple[str, object, str]] = [(kind_field, document.get(kind_field), key.kind)]
    if not kubernetes:
        identity.append((name_field, document.get("name"), key.name))
    if scoped:
        identity.append(("mesh", document.get("mesh"), key.mesh))
    return identity
