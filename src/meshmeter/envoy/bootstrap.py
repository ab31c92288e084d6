"""build_bootstrap: the configuration that Envoy is started with; all else comes by ADS."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from meshmeter.envoy.addresses import ip_literal, load_assignment, pipe, socket_address
from meshmeter.envoy.clusters import ADS_SOURCE, http_options
from meshmeter.envoy.names import ADS_CLUSTER, METRICS_LISTENER, METRICS_PROXY
from meshmeter.envoy.proxy import ProxyInfo

ADMIN_MODE = 0o600
"""Only the user who runs Envoy and the agent may open the admin socket."""

ADMIN_PATHS: tuple[Mapping[str, str], ...] = (
    {"exact": "/ready"},
    {"prefix": "/stats"},
    {"prefix": "/drain_listeners"},
)
"""What the agent needs: whether Envoy runs, its metrics, and to let connections end before a stop. Envoy
itself is ended by a signal. Everything else of the admin interface stays shut, such as the configuration dump
with its token."""

STATS_TAGS: Mapping[str, str] = MappingProxyType(
    {
        "name": r"^grpc\.((.+)\.)",
        "status": r"^grpc.*streams_closed(_([0-9]+))",
        "worker": r"(worker_([0-9]+)\.)",
        "listener": r"((.+?)\.)rbac\.",
    }
)
"""Labels that are taken out of stat names besides Envoy's own, as dashboards expect them (kuma-facts 6.3)."""

MAX_CONNECTIONS = 50_000
"""Of clients, over all listeners, unless the control plane is told otherwise."""

MAX_SCRAPERS = 512
"""Connections of one listener for scrapes. Whoever opens more is turned away, and so cannot use up the rest."""

_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"


def build_bootstrap(
    proxy: ProxyInfo,
    *,
    ads_host: str,
    ads_port: int,
    ca_pem: str,
    token: str,
    max_connections: int = MAX_CONNECTIONS,
) -> dict[str, Any]:
    """The bootstrap as a JSON document. It holds the token: the file is for Envoy's user only.

    `ads_host` is the name or address by which Envoy reaches the control plane; the server's certificate has
    to be for it and by `ca_pem`.
    """
    return {
        "node": {"id": proxy.node_id, "cluster": proxy.mesh, "metadata": proxy.to_metadata()},
        "admin": {
            "address": {"pipe": {**pipe(proxy.admin_socket)["pipe"], "mode": ADMIN_MODE}},
            "allowPaths": [dict(path) for path in ADMIN_PATHS],
        },
        "dynamicResources": {
            "ldsConfig": ADS_SOURCE,
            "cdsConfig": ADS_SOURCE,
            "adsConfig": {
                "apiType": "DELTA_GRPC",
                "transportApiVersion": "V3",
                "setNodeOnFirstMessageOnly": True,
                "grpcServices": [
                    {
                        "envoyGrpc": {"clusterName": ADS_CLUSTER},
                        "initialMetadata": [{"key": "authorization", "value": f"Bearer {token}"}],
                    }
                ],
            },
        },
        "staticResources": {"clusters": [_ads_cluster(ads_host, ads_port, ca_pem)]},
        "overloadManager": _connection_limit(max_connections),
        "layeredRuntime": {"layers": [{"name": "meshmeter", "staticLayer": dict(LISTENER_LIMITS)}]},
        "statsConfig": {
            "statsTags": [{"tagName": name, "regex": regex} for name, regex in STATS_TAGS.items()]
        },
    }


LISTENER_LIMITS: Mapping[str, int] = MappingProxyType(
    {
        f"envoy.resource_limits.listener.{name}.connection_limit": MAX_SCRAPERS
        for name in (METRICS_LISTENER, METRICS_PROXY)
    }
)


def _connection_limit(connections: int) -> dict[str, Any]:
    monitor = "downstream_connections.v3.DownstreamConnectionsConfig"
    return {
        "resourceMonitors": [
            {
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typedConfig": {
                    "@type": f"type.googleapis.com/envoy.extensions.resource_monitors.{monitor}",
                    "maxActiveDownstreamConnections": str(connections),
                },
            }
        ]
    }


def _ads_cluster(host: str, port: int, ca_pem: str) -> dict[str, Any]:
    ip = ip_literal(host)
    resolution: dict[str, Any] = (
        {"type": "STATIC"} if ip is not None else {"type": "LOGICAL_DNS", "dnsLookupFamily": "ALL"}
    )
    keepalive = {"connectionKeepalive": {"interval": "30s", "timeout": "5s"}}
    return {
        "name": ADS_CLUSTER,
        "connectTimeout": "5s",
        "loadAssignment": load_assignment(ADS_CLUSTER, [socket_address(ip or host, port)]),
        "typedExtensionProtocolOptions": http_options({"http2ProtocolOptions": keepalive}),
        "transportSocket": _verified_tls(ip, host, ca_pem),
        **resolution,
    }


def _verified_tls(ip: str | None, host: str, ca_pem: str) -> dict[str, Any]:
    """TLS to a server whose certificate is by this CA and for this address or name."""
    context: dict[str, Any] = {
        "@type": _TLS,
        "commonTlsContext": {
            "tlsParams": {"tlsMinimumProtocolVersion": "TLSv1_2"},
            "validationContext": {
                "trustedCa": {"inlineString": ca_pem},
                "matchTypedSubjectAltNames": [
                    {"sanType": "DNS" if ip is None else "IP_ADDRESS", "matcher": {"exact": ip or host}}
                ],
            },
        },
    }
    if ip is None:
        context["sni"] = host
    return {"name": "envoy.transport_sockets.tls", "typedConfig": context}
