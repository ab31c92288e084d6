"""The two envelopes of a document: Universal (flat) and Kubernetes (`apiVersion`, `kind`, `metadata`,
`spec`).

    type: Mesh                      apiVersion: kuma.io/v1alpha1
    name: default                   kind: Mesh
    metrics: {...}                  metadata: {name: default}
                                    spec: {metrics: {...}}

In a Universal document the spec's fields may also stand under `spec:` (deviations D7). Fields that only the
control plane writes are accepted and ignored (kuma-facts 1.1, 1.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from meshmeter.documents.forms import is_kubernetes
from meshmeter.resources import paths
from meshmeter.resources.base import Model
from meshmeter.resources.faults import Faults
from meshmeter.resources.kinds import KINDS, Kind, find_kind
from meshmeter.resources.resource import Meta
from meshmeter.resources.strict_decoding import conform, show, suggestion

API_VERSION = "kuma.io/v1alpha1"
NAMESPACE = "k8s.kuma.io/namespace"
OBJECT_NAME = "k8s.kuma.io/name"
DISPLAY_NAME = "kuma.io/display-name"
"""Annotation that Kuma adds to every object; kept only where it differs from the object's name."""

_READ_ONLY = ("creationTime", "modificationTime", "kri", "status")
_SERVER_METADATA = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
)


class _Universal(Model):
    """The envelope's own fields of a Universal document."""

    name: str | None = None
    mesh: str | None = None
    labels: dict[str, str] | None = None


class _Metadata(Model):
    """`metadata` of a Kubernetes object, without what only the API server writes."""

    name: str | None = None
    namespace: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, Any] | None = None


class _Kubernetes(Model):
    """The envelope's own fields of a Kubernetes object."""

    mesh: str | None = None
    metadata: _Metadata | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """A document, opened."""

    kind: Kind
    meta: Meta
    spec: Mapping[str, Any]
    """The spec's fields in the shape of the kind's model."""
    place: Callable[[str], str] = field(repr=False)
    """Turns a field path of the resource into that of the document as it was written."""


def open_envelope(
    document: Mapping[Any, Any], faults: Faults, kinds: Mapping[str, Kind] = KINDS
) -> Envelope | None:
    """The content of a document of either form; None if it is of none of `kinds`. Faults are added to `faults`."""
    kubernetes = is_kubernetes(document)
    word = "kind" if kubernetes else "type"
    kind = _kind(document.get(word), word, faults, kinds)
    if kubernetes and document.get("apiVersion") != API_VERSION:
        found = show(document.get("apiVersion"))
        faults.add("apiVersion", f'must be "{API_VERSION}", got {found}')
    if kind is None:
        return None
    return _kubernetes(kind, document, faults) if kubernetes else _universal(kind, document, faults)


def _kind(value: object, word: str, faults: Faults, kinds: Mapping[str, Kind]) -> Kind | None:
    if value is None:
        listed = ", ".join(kinds)
        faults.add(word, f"cannot be empty, must be one of {listed}")
        return None
    kind = kinds.get(value) if isinstance(value, str) else None
    if kind is None:
        meant = find_kind(value[:64], kinds) if isinstance(value, str) else None
        near = meant.name if meant else suggestion(value, tuple(kinds)) if isinstance(value, str) else None
        hint = f', did you mean "{near}"?' if near else f", must be one of {', '.join(kinds)}"
        faults.add(word, f"invalid resource type {show(value)}{hint}")
    return kind


def _universal(kind: Kind, document: Mapping[Any, Any], faults: Faults) -> Envelope:
    own = {name: document[name] for name in ("name", "mesh", "labels") if name in document}
    head = conform(_Universal, own, "", faults)
    skipped = ("type", "spec", *own, *_READ_ONLY)
    flat = {name: value for name, value in document.items() if name not in skipped}
    known = ("type", "name", "mesh", "labels", "spec")
    spec = conform(kind.spec, flat, "", faults, also_known=known)
    wrapped: dict[str, Any] = {}
    if document.get("spec") is not None:
        wrapped = conform(kind.spec, document["spec"], "spec", faults)
        for name in wrapped.keys() & spec.keys():
            faults.add(f"spec.{name}", "is also given outside of spec: keep one of them")
    meta = Meta(
        name=head.get("name", ""),
        mesh=head.get("mesh", "") if kind.mesh_scoped else "",
        labels=head.get("labels", {}),
    )
    return Envelope(kind, meta, {**spec, **wrapped}, _under_spec(wrapped))


def _kubernetes(kind: Kind, document: Mapping[Any, Any], faults: Faults) -> Envelope:
    skipped = ("apiVersion", "kind", "spec", *_READ_ONLY)
    own = {name: value for name, value in document.items() if name not in skipped}
    if isinstance(metadata := own.get("metadata"), Mapping):
        own["metadata"] = {n: value for n, value in metadata.items() if n not in _SERVER_METADATA}
    known = ("apiVersion", "kind", "spec")
    head = conform(_Kubernetes, own, "", faults, also_known=known)
    metadata = head.get("metadata", {})
    spec: dict[str, Any] = {}
    if document.get("spec") is not None:
        spec = conform(kind.spec, document["spec"], "spec", faults)

    object_name = metadata.get("name", "")
    namespace = metadata.get("namespace", "") if kind.namespaced else ""
    annotations = {}
    for name, value in metadata.get("annotations", {}).items():
        if not isinstance(value, str):
            faults.add(paths.key("metadata.annotations", name), f"must be a string, got {show(value)}")
        elif name != DISPLAY_NAME or value != object_name:
            annotations[name] = value
    meta = Meta(
        name=f"{object_name}.{namespace}" if namespace else object_name,
        mesh=head.get("mesh", "") if kind.mesh_scoped else "",
        labels=metadata.get("labels", {}),
        annotations=annotations,
        name_extensions={NAMESPACE: namespace, OBJECT_NAME: object_name} if namespace else {},
    )
    return Envelope(kind, meta, spec, _place_in_kubernetes)


def _under_spec(wrapped: Mapping[str, Any]) -> Callable[[str], str]:
    """Places of a Universal document, some of whose fields are in the wrapper."""

    def place(path: str) -> str:
        first = path.partition(".")[0].partition("[")[0]
        return f"spec.{path}" if first in wrapped else path

    return place


def _place_in_kubernetes(path: str) -> str:
    if path == "mesh":
        return path
    if paths.covers("name", path) or paths.covers("labels", path):
        return f"metadata.{path}"
    return f"spec.{path}"
