"""`dataplane_of`: a Pod and its Services as a Dataplane (kuma-facts 4.2, 4.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from meshmeter.addresses import is_metadata, is_wildcard
from meshmeter.effective.findings import Finding, finding
from meshmeter.injector.objects import Object, mapping, sequence, text, texts
from meshmeter.injector.pod_inbounds import inbounds_of
from meshmeter.injector.pod_tags import NAMESPACE_TAG, tag_fault
from meshmeter.quoting import quoted
from meshmeter.resources import syntax
from meshmeter.resources.annotation_values import AnnotationError, flag
from meshmeter.resources.dataplane import PROTOCOL_TAG, SERVICE_TAG, DataplaneMetrics
from meshmeter.resources.limits import DEFAULT_LIMITS, Limits

INJECTED = "kuma.io/sidecar-injected"
"""Annotation of a Pod that has a sidecar."""
MESH = "kuma.io/mesh"
"""Label or annotation of a Pod, or of its namespace."""
GATEWAY = "kuma.io/gateway"
"""Annotation of a Pod that is a gateway of somebody else's."""

_CHAINS = {"ReplicaSet": "Deployment", "Job": "CronJob"}
"""Owners of Pods that are themselves made for an owner."""


class Absence(StrEnum):
    """Why a Pod has no Dataplane."""

    UNREADABLE = "unreadable"
    NOT_INJECTED = "not-injected"
    NAMESPACE_TERMINATING = "namespace-terminating"
    EVICTED = "evicted"
    FINISHED = "finished"
    NO_ADDRESS = "no-address"
    ADDRESS_REFUSED = "address-refused"
    MESH_REFUSED = "mesh-refused"


@dataclass(frozen=True, slots=True)
class NoDataplane:
    """A Pod that has none. One that is there from before has to go, unless `stays`."""

    why: Absence
    message: str

    @property
    def stays(self) -> bool:
        """In a namespace that is being deleted everything goes by itself, and nothing is written."""
        return self.why is Absence.NAMESPACE_TERMINATING


@dataclass(frozen=True, slots=True)
class PodDataplane:
    """The Dataplane of a Pod, which has the Pod's name and namespace."""

    name: str
    namespace: str
    mesh: str
    labels: Mapping[str, str]
    spec: Mapping[str, Any]
    findings: tuple[Finding, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    owner_uid: str = ""
    """The `uid` of the Pod, which owns the Dataplane."""

    def document(self) -> dict[str, Any]:
        """In its Kubernetes form."""
        metadata: dict[str, Any] = {
            "name": self.name,
            "namespace": self.namespace,
            "labels": dict(self.labels),
        }
        if self.annotations:
            metadata["annotations"] = dict(self.annotations)
        if self.owner_uid:
            owner = {"apiVersion": "v1", "kind": "Pod", "name": self.name, "uid": self.owner_uid}
            metadata["ownerReferences"] = [owner | {"controller": True, "blockOwnerDeletion": True}]
        head = {"apiVersion": "kuma.io/v1alpha1", "kind": "Dataplane", "mesh": self.mesh}
        return {**head, "metadata": metadata, "spec": dict(self.spec)}


def dataplane_of(
    pod: Object,
    services: Iterable[Object] = (),
    *,
    namespace: Object | None = None,
    owner: Object | None = None,
    node_labels: Mapping[str, str] | None = None,
    zone: str = "",
    metrics: DataplaneMetrics | None = None,
    annotations: Mapping[str, str] | None = None,
    workload_labels: Iterable[str] = (),
    limits: Limits = DEFAULT_LIMITS,
) -> PodDataplane | NoDataplane:
    """All objects as the API server gives them. `services` are those that the Pod is behind
    (`pod_services.services_of`), in the order of the inbounds. `owner` is the ReplicaSet or Job that made the Pod, if
    one did. `metrics` and `annotations` become those of the Dataplane. The first of `workload_labels` that the Pod has
    names its workload, else its service account does.

    Never raises, whatever the objects are: what cannot be read costs the inbound or label that it is about, and is a
    finding. What it gives is a valid Dataplane if `zone` and `metrics` are valid.
    """
    absent = _absence(pod, namespace)
    if absent is not None:
        return absent
    mesh = mesh_of(pod, namespace)
    if reason := syntax.mesh_reference_fault(mesh):
        return NoDataplane(Absence.MESH_REFUSED, f'{MESH} is "{quoted(mesh)}": {reason}')
    findings: list[Finding] = []
    called, kind = _owner(pod, owner)
    served = inbounds_of(pod, services, owner=called, zone=zone, node_labels=node_labels, limits=limits)
    findings += served.findings
    gateway = _gateway(pod, called, kind, served.inbounds[0]["tags"], findings)
    networking: dict[str, Any] = {"address": text(pod, "status", "podIP")}
    networking |= {"gateway": {"tags": gateway}} if gateway else {"inbound": list(served.inbounds)}
    spec: dict[str, Any] = {"networking": networking}
    if metrics is not None:
        spec["metrics"] = metrics.model_dump(mode="json", by_alias=True, exclude_none=True)
    own = {
        NAMESPACE_TAG: text(pod, "metadata", "namespace"),
        MESH: mesh,
        "kuma.io/proxy-type": "gateway" if gateway else "sidecar",
    }
    if workload := _workload(pod, workload_labels):
        own["kuma.io/workload"] = workload
    return PodDataplane(
        name=text(pod, "metadata", "name"),
        namespace=text(pod, "metadata", "namespace"),
        mesh=mesh,
        labels=_labels(texts(pod, "metadata", "labels") | own, findings),
        spec=spec,
        findings=tuple(findings),
        annotations=dict(annotations or {}),
        owner_uid=text(pod, "metadata", "uid"),
    )


def mesh_of(pod: Object, namespace: Object | None) -> str:
    """The name of the Mesh that a Pod belongs to."""
    places = ((pod, "labels"), (pod, "annotations"), (namespace, "labels"), (namespace, "annotations"))
    for holder, part in places:
        if found := text(holder, "metadata", part, MESH):
            return found
    return "default"


def _absence(pod: Object, namespace: Object | None) -> NoDataplane | None:
    name, of = text(pod, "metadata", "name"), text(pod, "metadata", "namespace")
    if reason := (syntax.name_fault(name) or _namespace_fault(of) or syntax.name_fault(f"{name}.{of}")):
        return NoDataplane(Absence.UNREADABLE, f'Pod "{quoted(name)}" in namespace "{quoted(of)}": {reason}')
    if text(namespace, "status", "phase") == "Terminating":
        return NoDataplane(Absence.NAMESPACE_TERMINATING, f"namespace {of} is being deleted")
    try:
        injected = flag(INJECTED, text(pod, "metadata", "annotations", INJECTED) or "false")
    except AnnotationError as error:
        return NoDataplane(Absence.NOT_INJECTED, str(error))
    if not injected:
        return NoDataplane(Absence.NOT_INJECTED, f"the Pod has no sidecar: it has no annotation {INJECTED}")
    if text(pod, "status", "reason") == "Evicted":
        return NoDataplane(Absence.EVICTED, "the Pod was evicted")
    if (phase := text(pod, "status", "phase")) in ("Succeeded", "Failed"):
        return NoDataplane(Absence.FINISHED, f"the Pod runs no more: its phase is {phase}")
    address = text(pod, "status", "podIP")
    if not address:
        return NoDataplane(Absence.NO_ADDRESS, "the Pod has no IP address yet (status.podIP)")
    if not syntax.is_ip(address) or is_wildcard(address) or is_metadata(address):
        message = f'status.podIP "{quoted(address)}" is no address that peers could reach a Pod at'
        return NoDataplane(Absence.ADDRESS_REFUSED, message)
    return None


def _namespace_fault(name: str) -> str | None:
    return syntax.label_value_fault(name) if name else syntax.CANNOT_BE_EMPTY


def _owner(pod: Object, owner: Object | None) -> tuple[str, str]:
    """Name and kind of what the Pod was made for: of its first owner, or of the owner's own one, else the Pod
    itself."""
    for reference in sequence(pod, "metadata", "ownerReferences"):
        kind, name = text(reference, "kind"), text(reference, "name")
        if not name or tag_fault(SERVICE_TAG, name):
            continue
        maker = _CHAINS.get(kind)
        if maker and text(owner, "metadata", "name") == name:
            for upper in sequence(owner, "metadata", "ownerReferences"):
                above = text(upper, "name")
                if text(upper, "kind") == maker and above and not tag_fault(SERVICE_TAG, above):
                    return above, maker
        return name, kind
    return text(pod, "metadata", "name"), "Pod"


def _gateway(
    pod: Object, owner: str, kind: str, tags: Mapping[str, str], findings: list[Finding]
) -> dict[str, str]:
    """Tags of the gateway that the Pod is; empty if it is none. `tags` are those of its first inbound."""
    if GATEWAY not in mapping(pod, "metadata", "annotations"):
        return {}
    wanted = text(pod, "metadata", "annotations", GATEWAY)
    if wanted == "provided" and kind == "Deployment":
        return {SERVICE_TAG: f"{owner}_{text(pod, 'metadata', 'namespace')}_svc"}
    if wanted in ("enabled", "provided"):
        # a gateway takes bytes, whatever its Service says of them
        return {k: v for k, v in tags.items() if k != PROTOCOL_TAG or v == "tcp"}
    message = f'invalid delegated gateway type "{quoted(wanted)}". The Pod is taken for an ordinary one'
    findings.append(finding("pod-gateway-invalid", message))
    return {}


def _workload(pod: Object, workload_labels: Iterable[str]) -> str:
    labels = texts(pod, "metadata", "labels")
    named = next((labels[name] for name in workload_labels if labels.get(name)), "")
    return named or text(pod, "spec", "serviceAccountName")


def _labels(labels: Mapping[str, str], findings: list[Finding]) -> dict[str, str]:
    fit = {}
    for name, value in labels.items():
        if reason := syntax.label_key_fault(name) or syntax.label_value_fault(value):
            message = f'label {quoted(name)!r} with value "{quoted(value)}": {reason}. The Dataplane does not get it'
            findings.append(finding("pod-label-refused", message))
        else:
            fit[name] = value
    return fit
