"""Clusters and endpoints: the application behind each inbound, the services behind outbounds, and the agent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from meshmeter.effective.addresses import parse_ip
from meshmeter.effective.interfaces import reachable_address
from meshmeter.effective.view import MeshView
from meshmeter.envoy import names
from meshmeter.resources.dataplane import PROTOCOL_TAG, DataplaneSpec, Inbound, Networking
from meshmeter.resources.resource import Resource

CLUSTER_TYPE = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
ENDPOINTS_TYPE = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

CONNECT_TIMEOUT = "5s"

HTTP_PROTOCOLS = frozenset({"http", "http2", "grpc"})
HTTP2_PROTOCOLS = frozenset({"http2", "grpc"})

ADS: dict[str, Any] = {"ads": {}, "resourceApiVersion": "V3"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One inbound of one Dataplane that serves a service."""

    address: str
    port: int
    protocol: str


def pipe_cluster(name: str, path: str) -> dict[str, Any]:
    """A cluster of one unix socket."""
    return {
        "@type": CLUSTER_TYPE,
        "name": name,
        **_alt_stat_name(name),
        "type": "STATIC",
        "connectTimeout": CONNECT_TIMEOUT,
        "loadAssignment": {
            "clusterName": name,
            "endpoints": [{"lbEndpoints": [{"endpoint": {"address": {"pipe": {"path": path}}}}]}],
        },
    }


def local_cluster(address: str, port: int, protocol: str) -> dict[str, Any]:
    """The application behind an inbound."""
    name = names.local_cluster(port)
    return {
        "@type": CLUSTER_TYPE,
        "name": name,
        **_alt_stat_name(name),
        "type": "STATIC",
        "connectTimeout": CONNECT_TIMEOUT,
        "loadAssignment": {
            "clusterName": name,
            "endpoints": [{"lbEndpoints": [_lb_endpoint(address, port)]}],
        },
        **_http2_options(protocol),
    }


def service_cluster(name: str, protocol: str) -> dict[str, Any]:
    """A service of the mesh; its endpoints come by EDS."""
    return {
        "@type": CLUSTER_TYPE,
        "name": name,
        **_alt_stat_name(name),
        "type": "EDS",
        "connectTimeout": CONNECT_TIMEOUT,
        "edsClusterConfig": {"edsConfig": ADS},
        **_http2_options(protocol),
    }


def load_assignment(name: str, endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The endpoints of a service, without repetition and in a fixed order; possibly none."""
    places = sorted({(e.address, e.port) for e in endpoints})
    return {
        "@type": ENDPOINTS_TYPE,
        "clusterName": name,
        "endpoints": [{"lbEndpoints": [_lb_endpoint(*place) for place in places]}] if places else [],
    }


def endpoints(view: MeshView, tags: Mapping[str, str]) -> list[Endpoint]:
    """Where an outbound with these tags leads: all ready inbounds of the mesh whose tags include them."""
    return [
        endpoint
        for dataplane in view.dataplanes.values()
        for inbound, endpoint in _served(dataplane)
        if all((inbound.tags or {}).get(tag) == value for tag, value in tags.items())
    ]


def protocol_of(inbound: Inbound) -> str:
    """The protocol that the application speaks, `tcp` if nothing is said."""
    return (inbound.protocol or (inbound.tags or {}).get(PROTOCOL_TAG) or "tcp").lower()


def common_protocol(found: Iterable[Endpoint]) -> str:
    """The protocol that all endpoints speak, `tcp` if they differ or there are none."""
    protocols = {endpoint.protocol for endpoint in found}
    return protocols.pop() if len(protocols) == 1 else "tcp"


def _served(dataplane: Resource[DataplaneSpec]) -> Iterator[tuple[Inbound, Endpoint]]:
    networking = dataplane.spec.networking or Networking()
    for inbound in networking.inbound or ():
        ready = inbound.state in (None, "", "Ready") and not (inbound.health and inbound.health.ready is False)
        address = (
            networking.advertised_address or inbound.address or reachable_address(dataplane.spec)
        )
        # EDS takes IP addresses only; a name here would make Envoy refuse the whole assignment.
        if ready and inbound.port and parse_ip(address):
            yield inbound, Endpoint(address, inbound.port, protocol_of(inbound))


def _lb_endpoint(address: str, port: int) -> dict[str, Any]:
    return {"endpoint": {"address": {"socketAddress": {"address": address, "portValue": port}}}}


def _alt_stat_name(name: str) -> dict[str, str]:
    stat = names.stat_name(name)
    return {"altStatName": stat} if stat != name else {}


def _http2_options(protocol: str) -> dict[str, Any]:
    if protocol not in HTTP2_PROTOCOLS:
        return {}
    return {
        "typedExtensionProtocolOptions": {
            HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
                "explicitHttpConfig": {"http2ProtocolOptions": {}},
            }
        }
    }
