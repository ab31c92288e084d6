"""Tags of what a Pod serves, and its protocol (kuma-facts 4.3)."""

from __future__ import annotations

from collections.abc import Mapping

from meshmeter.injector.objects import Object, port, text, texts
from meshmeter.resources import syntax
from meshmeter.resources.dataplane import PROTOCOL_TAG, SERVICE_TAG, ZONE_TAG

NAMESPACE_TAG = "k8s.kuma.io/namespace"
SERVICE_NAME_TAG = "k8s.kuma.io/service-name"
SERVICE_PORT_TAG = "k8s.kuma.io/service-port"
INSTANCE_TAG = "kuma.io/instance"

NODE_LABELS = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region", "kubernetes.io/hostname")
"""Labels of its node that a Pod has as tags."""

RESERVED_TAGS = 7
"""How many tags an inbound has at most beside those of labels."""

_PROTOCOLS = frozenset({"http", "http2", "tcp", "tls", "grpc", "kafka", "mysql"})
"""Those of `appProtocol` that mean something here."""


def service_tags(
    pod: Object,
    service: Object,
    service_port: Object,
    *,
    zone: str = "",
    node_labels: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Tags of an inbound for one port of a Service."""
    number = port(service_port, "port") or 0
    name = text(service, "metadata", "name")
    tags = label_tags(pod, node_labels) | {
        NAMESPACE_TAG: text(pod, "metadata", "namespace"),
        SERVICE_NAME_TAG: name,
        SERVICE_PORT_TAG: str(number),
        SERVICE_TAG: f"{name}_{text(service, 'metadata', 'namespace')}_svc_{number}",
        PROTOCOL_TAG: protocol_of(service, service_port),
    }
    if zone:
        tags[ZONE_TAG] = zone
    if text(service, "spec", "clusterIP") == "None":
        tags[INSTANCE_TAG] = text(pod, "metadata", "name")
    return tags


def pod_tags(
    pod: Object, owner: str, *, zone: str = "", node_labels: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Tags of a Pod that is behind no Service; it is called after its owner."""
    namespace = text(pod, "metadata", "namespace")
    tags = label_tags(pod, node_labels) | {
        NAMESPACE_TAG: namespace,
        SERVICE_TAG: f"{owner}_{namespace}_svc",
        PROTOCOL_TAG: "tcp",
        INSTANCE_TAG: text(pod, "metadata", "name"),
    }
    if zone:
        tags[ZONE_TAG] = zone
    return tags


def label_tags(pod: Object, node_labels: Mapping[str, str] | None = None) -> dict[str, str]:
    """The labels of a Pod, and of its node those that are meant for it, as tags; none of the mesh's own, and none
    that is empty."""
    labels = texts(pod, "metadata", "labels")
    tags = {name: value for name, value in labels.items() if value and "kuma.io/" not in name}
    node = texts(node_labels)
    return tags | {name: node[name] for name in NODE_LABELS if node.get(name)}


def tag_fault(name: str, value: str) -> str | None:
    """Why something cannot have this tag; None if it can."""
    if len(name) > syntax.LONGEST_VALUE or len(value) > syntax.LONGEST_VALUE:
        return syntax.TOO_LONG.format(syntax.LONGEST_VALUE)
    return syntax.tag_name_fault(name) or syntax.tag_value_fault(value)


def protocol_of(service: Object, service_port: Object) -> str:
    """`appProtocol` if it means something here, else what the Service's annotation for the port says, else tcp."""
    named = text(service_port, "appProtocol").lower()
    if named in _PROTOCOLS:
        return named
    annotations = texts(service, "metadata", "annotations")
    return annotations.get(protocol_annotation(service_port), "").lower() or "tcp"


def protocol_annotation(service_port: Object) -> str:
    """The annotation of a Service that says the protocol of one of its ports."""
    return f"{port(service_port, 'port') or 0}.service.kuma.io/protocol"
