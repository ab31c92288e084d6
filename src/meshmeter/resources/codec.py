"""Documents to resources and back, in both envelopes and in the form of the store.

`decode` refuses with every fault at once: of the envelope, of the form, and of the content (`validation`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from meshmeter.documents.forms import is_kubernetes
from meshmeter.errors import InvalidResource, Violation
from meshmeter.resources.base import Spec
from meshmeter.resources.container_patch import KIND as CONTAINER_PATCH
from meshmeter.resources.container_patch import ContainerPatchSpec
from meshmeter.resources.envelope import API_VERSION, DISPLAY_NAME, NAMESPACE, OBJECT_NAME, open_envelope
from meshmeter.resources.faults import Faults
from meshmeter.resources.kinds import KINDS, KUBERNETES_ONLY, Kind, kind_of
from meshmeter.resources.resource import EPOCH, AnyResource, Meta, Resource
from meshmeter.resources.strict_decoding import conform, show
from meshmeter.resources.validation.container_patch import placement_violations
from meshmeter.resources.validation.rules import violations
from meshmeter.times import read_rfc3339, rfc3339

__all__ = [
    "decode",
    "decode_container_patch",
    "from_stored",
    "to_kubernetes",
    "to_stored",
    "to_universal",
]


def decode(document: Mapping[str, Any], *, where: str = "") -> AnyResource:
    """The valid resource that a document of either envelope describes, without defaults.

    Raises InvalidResource with all faults; their fields are paths in the document after the prefix `where`,
    e.g. `documents[3].`.
    """
    faults = Faults()
    resource = _decode(document, faults)
    if resource is None or faults.violations:
        raise InvalidResource(_prefixed(faults.violations, where))
    return resource


def decode_container_patch(
    document: Mapping[str, Any], *, system_namespace: str
) -> Resource[ContainerPatchSpec]:
    """The valid ContainerPatch that a Kubernetes object describes. Raises InvalidResource with all faults.

    `system_namespace` is that of the control plane, the only one that may have any.
    """
    if not is_kubernetes(document):
        reason = f"a {CONTAINER_PATCH} is an object of Kubernetes: write apiVersion, kind, metadata and spec"
        raise InvalidResource([Violation("type" if "type" in document else "", reason)])
    faults = Faults()
    resource = _decode(document, faults, KUBERNETES_ONLY)
    if resource is not None:
        faults.add_content(placement_violations(resource, system_namespace))
    if resource is None or faults.violations:
        raise InvalidResource(faults.violations)
    return resource


def to_universal(resource: AnyResource) -> dict[str, Any]:
    """The Universal form, with times, as the resource API returns it."""
    meta = resource.meta
    head: dict[str, Any] = {"type": resource.kind}
    if KINDS[resource.kind].mesh_scoped:
        head["mesh"] = meta.mesh
    head |= {
        "name": meta.name,
        "creationTime": rfc3339(meta.creation_time, "auto"),
        "modificationTime": rfc3339(meta.modification_time, "auto"),
    }
    if meta.labels:
        head["labels"] = dict(meta.labels)
    return head | _dump(resource.spec)


def to_kubernetes(resource: AnyResource) -> dict[str, Any]:
    """The Kubernetes object. A Dataplane without a namespace stays without one."""
    meta = resource.meta
    name = meta.name_extensions.get(OBJECT_NAME) or meta.name
    metadata: dict[str, Any] = {"name": name}
    if namespace := meta.name_extensions.get(NAMESPACE):
        metadata["namespace"] = namespace
    if meta.labels:
        metadata["labels"] = dict(meta.labels)
    metadata["annotations"] = {DISPLAY_NAME: name, **meta.annotations}
    head: dict[str, Any] = {"apiVersion": API_VERSION, "kind": resource.kind}
    if kind_of(resource.kind).mesh_scoped:
        head["mesh"] = meta.mesh
    head["metadata"] = metadata
    spec = _dump(resource.spec)
    return head | ({"spec": spec} if spec else {})


def to_stored(resource: AnyResource) -> dict[str, Any]:
    """Everything of a resource as plain JSON; `from_stored` gives an equal one."""
    meta = resource.meta
    layers = {"layers": dict(meta.layers)} if meta.layers else {}
    return layers | {
        "kind": resource.kind,
        "name": meta.name,
        "mesh": meta.mesh,
        "labels": dict(meta.labels),
        "annotations": dict(meta.annotations),
        "nameExtensions": dict(meta.name_extensions),
        "version": meta.version,
        "creationTime": rfc3339(meta.creation_time, "auto"),
        "modificationTime": rfc3339(meta.modification_time, "auto"),
        "spec": _dump(resource.spec),
    }


def from_stored(stored: Mapping[str, Any]) -> AnyResource:
    """The resource that was stored. Fields of a newer version of the program are ignored, and nothing is
    validated.

    Raises InvalidResource if it is not the work of `to_stored`.
    """
    name = stored.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise InvalidResource([Violation("kind", f"unknown kind {show(name)}")])
    faults = Faults()
    spec = conform(kind.spec, stored.get("spec", {}), "spec", faults, ignore_unknown=True)
    if faults.violations:
        raise InvalidResource(faults.violations, f"stored {kind.name} cannot be read")
    try:
        meta = Meta(
            name=stored["name"],
            mesh=stored["mesh"],
            labels=stored.get("labels", {}),
            annotations=stored.get("annotations", {}),
            name_extensions=stored.get("nameExtensions", {}),
            version=stored.get("version", 0),
            creation_time=_stored_time(stored.get("creationTime")),
            modification_time=_stored_time(stored.get("modificationTime")),
            layers=stored.get("layers", {}),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise InvalidResource([Violation("", f"metadata is unreadable: {error}")]) from error
    return Resource(kind.name, meta, kind.spec.model_validate(spec))


def _decode(document: object, faults: Faults, kinds: Mapping[str, Kind] = KINDS) -> AnyResource | None:
    if not isinstance(document, Mapping):
        faults.add("", f"a document must be a mapping with type, name and so on, not {show(document)}")
        return None
    envelope = open_envelope(document, faults, kinds)
    if envelope is None:
        return None
    spec = envelope.kind.spec.model_validate(envelope.spec)
    resource = Resource(envelope.kind.name, envelope.meta, spec)
    found = (Violation(envelope.place(v.field), v.reason) for v in violations(resource))
    faults.add_content(found)
    return resource


def _prefixed(found: Iterable[Violation], where: str) -> list[Violation]:
    whole = where.rstrip(". :")
    return [Violation(f"{where}{v.field}" if v.field else whole, v.reason) for v in found]


def _dump(spec: Spec) -> dict[str, Any]:
    """What the user has set: fields that are None are left out, empty messages stay."""
    return spec.model_dump(mode="json", by_alias=True, exclude_none=True)


def _stored_time(text: str | None) -> datetime:
    return read_rfc3339(text) if text else EPOCH
