"""Clusters: the application beside the proxy, the services it calls, the agent, the control plane."""

from __future__ import annotations

from typing import Any

from meshmeter.envoy import names
from meshmeter.envoy.addresses import load_assignment, pipe, socket_address
from meshmeter.envoy.protocols import Protocol
from meshmeter.xds import types

CONNECT_TIMEOUT = "5s"

AGENT_IDLE_TIMEOUT = "30s"
"""Below the agent's own keep-alive of 75 s, so that Envoy never sends a scrape into a connection that the
agent is just closing."""

ADS_SOURCE = {"ads": {}, "resourceApiVersion": "V3"}
"""The config source that means: over the stream that this came by."""

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def local_cluster(name: str, address: str, port: int, protocol: Protocol) -> dict[str, Any]:
    """The application of an inbound."""
    return _cluster(name, protocol) | {
        "type": "STATIC",
        "loadAssignment": load_assignment(name, [socket_address(address, port)]),
    }


def service_cluster(
    name: str, protocol: Protocol, transport_socket: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A service of the mesh, whose endpoints come by EDS; called in plain unless there is a transport socket."""
    document = _cluster(name, protocol) | {"type": "EDS", "edsClusterConfig": {"edsConfig": ADS_SOURCE}}
    return document | ({"transportSocket": transport_socket} if transport_socket is not None else {})


def metrics_cluster(agent_socket: str) -> dict[str, Any]:
    """The agent, which answers scrapes."""
    name = names.METRICS_CLUSTER
    return _cluster(name, Protocol.TCP) | {
        "type": "STATIC",
        "loadAssignment": load_assignment(name, [pipe(agent_socket)]),
        "typedExtensionProtocolOptions": http_options(
            {"httpProtocolOptions": {}}, commonHttpProtocolOptions={"idleTimeout": AGENT_IDLE_TIMEOUT}
        ),
    }


def http_options(explicit: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Upstream HTTP options that fix the version of HTTP."""
    return {
        HTTP_OPTIONS: {
            "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
            "explicitHttpConfig": explicit,
            **more,
        }
    }


def _cluster(name: str, protocol: Protocol) -> dict[str, Any]:
    document: dict[str, Any] = {"@type": types.CLUSTER, "name": name, "connectTimeout": CONNECT_TIMEOUT}
    if (stat_name := names.stat_name(name)) != name:
        document["altStatName"] = stat_name
    if protocol.is_http2:
        document["typedExtensionProtocolOptions"] = http_options({"http2ProtocolOptions": {}})
    return document
