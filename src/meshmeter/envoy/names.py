"""Names of Envoy's resources and the stat names that users see in metrics (kuma-facts 6.3).

Dashboards depend on them. A dot or colon in a name would break Envoy's extraction of labels, so wherever a
name becomes part of a stat, `stat_name` is what is used.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from meshmeter.addresses import host_port
from meshmeter.resources.dataplane import SERVICE_TAG

METRICS_LISTENER = "kuma:metrics:prometheus"
METRICS_CLUSTER = "kuma:metrics:hijacker"
METRICS_PROXY = "meshmeter:metrics:proxy"
"""Listener and routes of the metrics proxy."""
METRICS_PROXY_PLAIN = "meshmeter:metrics:plain"
METRICS_PROXY_MTLS = "meshmeter:metrics:mtls"
ADS_CLUSTER = "ads_cluster"
PROVIDED_CERTIFICATE = "kuma:metrics:certificate"
MESH_PROTOCOL = "kuma"
"""Application protocol (ALPN) by which a proxy tells TLS of the mesh from TLS of applications."""

_NOT_IN_STATS = re.compile(r"[^a-zA-Z_\-0-9]")


def stat_name(name: str) -> str:
    """The name with everything replaced that does not survive in a stat."""
    return _NOT_IN_STATS.sub("_", name)


def inbound_listener(address: str, port: int) -> str:
    return f"inbound:{host_port(address, port)}"


def outbound_listener(address: str, port: int) -> str:
    return f"outbound:{host_port(address, port)}"


def local_cluster(port: int) -> str:
    """The application behind an inbound, by its port."""
    return f"localhost:{port}"


def local_cluster_at(address: str, port: int) -> str:
    """The same, where two applications of one proxy share a port on different addresses."""
    return f"localhost:{host_port(address, port)}"


def identity_secret(mesh: str) -> str:
    """What a proxy shows to others."""
    return f"identity_cert:secret:{mesh}"


def authority_secret(mesh: str) -> str:
    """By what a proxy verifies others."""
    return f"mesh_ca:secret:{mesh}"


def inbound_route(service: str) -> str:
    return f"inbound:{service}"


def outbound_route(service: str) -> str:
    return f"outbound:{service}"


def service_cluster(tags: Mapping[str, str]) -> str:
    """The service that an outbound calls; with other tags besides, a hash of all of them is appended.

    The agent takes the hash away again, so that metrics of one service come out under one name (kuma-facts
    5.4).
    """
    service = tags[SERVICE_TAG]
    if len(tags) == 1:
        return service
    content = "".join(f"{key}{value}" for key, value in sorted(tags.items()))
    return f"{service}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
