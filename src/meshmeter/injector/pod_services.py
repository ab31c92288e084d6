"""`services_of`: which Services a Pod is behind (kuma-facts 4.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from meshmeter.effective.findings import Finding, finding
from meshmeter.injector.objects import Object, at, mapping, sequence, text, texts
from meshmeter.quoting import quoted
from meshmeter.resources.annotation_values import AnnotationError, flag

IGNORE = "kuma.io/ignore"
"""Annotation of a Service that the mesh does not look at."""

_SLICE_OF = "kubernetes.io/service-name"
"""Label by which an EndpointSlice names its Service."""


@dataclass(frozen=True, slots=True)
class PodServices:
    """What was found for one Pod."""

    services: tuple[Object, ...]
    """By name."""
    findings: tuple[Finding, ...]


def services_of(
    pod: Object, services: Iterable[Object], endpoint_slices: Iterable[Object] = ()
) -> PodServices:
    """Those of the Pod's namespace whose selector fits its labels, and those without a selector of which one of the
    `endpoint_slices` names the Pod. Services that are ignored, or only another name (ExternalName), are left out.

    Never raises: a Service that cannot be read is left out with a finding.
    """
    namespace, labels = text(pod, "metadata", "namespace"), texts(pod, "metadata", "labels")
    listed = _listed(pod, endpoint_slices)
    found: list[Object] = []
    findings: list[Finding] = []
    for service in services:
        name = text(service, "metadata", "name")
        if text(service, "metadata", "namespace") != namespace:
            continue
        if text(service, "spec", "type") == "ExternalName":
            continue
        selector = at(service, "spec", "selector")
        if selector is not None and not _is_selector(selector):
            message = (
                f"Service {quoted(name)!r}: spec.selector must be a map of texts. The Service is left out"
            )
            findings.append(finding("pod-service-refused", message))
            continue
        wanted = texts(service, "spec", "selector")
        selects = wanted.items() <= labels.items() if wanted else name in listed
        if selects and not _is_ignored(service, name, findings):
            found.append(service)
    found.sort(key=lambda service: text(service, "metadata", "name"))
    return PodServices(tuple(found), tuple(findings))


def _is_selector(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(k, str) and isinstance(v, str) for k, v in value.items()
    )


def _is_ignored(service: Object, name: str, findings: list[Finding]) -> bool:
    annotations = mapping(service, "metadata", "annotations")
    if IGNORE not in annotations:
        return False
    try:
        return flag(IGNORE, text(annotations, IGNORE))
    except AnnotationError as error:
        message = f"Service {quoted(name)!r}: {error}. The Service is not ignored"
        findings.append(finding("pod-service-annotation-invalid", message))
        return False


def _listed(pod: Object, endpoint_slices: Iterable[Object]) -> set[str]:
    """The names of the Services that have the Pod among the endpoints of a slice."""
    namespace, name = text(pod, "metadata", "namespace"), text(pod, "metadata", "name")
    found = set()
    for piece in endpoint_slices:
        if text(piece, "metadata", "namespace") != namespace:
            continue
        targets = [mapping(endpoint, "targetRef") for endpoint in sequence(piece, "endpoints")]
        if any(target.get("kind") == "Pod" and target.get("name") == name for target in targets):
            found.add(text(piece, "metadata", "labels", _SLICE_OF))
    return found - {""}
