"""The bootstrap of one Envoy: who it is, its admin socket, and how it reaches ADS."""

from __future__ import annotations

from typing import Any

from meshmeter.effective.addresses import parse_ip
from meshmeter.envoy import names
from meshmeter.envoy.clusters import HTTP_OPTIONS
from meshmeter.envoy.proxy import ProxyInfo

TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"

ADMIN_SOCKET_MODE = 0o600
"""Only the agent's user may connect; everybody else is refused by the kernel."""

ADMIN_PATHS = (
    {"prefix": "/stats"},
    {"exact": "/ready"},
    {"prefix": "/drain_listeners"},
)
"""What the agent needs: metrics, readiness, and the drain before a stop. Everything else on admin is closed."""

STATS_TAGS = (
    ("name", r"^grpc\.((.+)\.)"),
    ("status", r"^grpc.*streams_closed(_([0-9]+))"),
    ("kafka_name", r"^kafka(\.(\S*[0-9]))\."),
    ("kafka_type", r"^kafka\..*\.(.*?(?=_duration|$))"),
    ("worker", r"(worker_([0-9]+)\.)"),
    ("listener", r"((.+?)\.)rbac\."),
)
"""Parts of stat names that become labels (kuma-facts 6.3)."""


def build_bootstrap(
    proxy: ProxyInfo, *, ads_host: str, ads_port: int, ca_pem: str, token: str
) -> dict[str, Any]:
    """The bootstrap as JSON. It holds the token: whoever stores it must keep it from other users."""
    return {
        "node": {
            "id": f"{proxy.mesh}.{proxy.dataplane}",
            "cluster": proxy.mesh,
            "metadata": proxy.to_metadata(),
        },
        "admin": {
            "address": {"pipe": {"path": proxy.admin_socket, "mode": ADMIN_SOCKET_MODE}},
            "allowPaths": list(ADMIN_PATHS),
        },
        "dynamicResources": {
            "ldsConfig": {"ads": {}, "resourceApiVersion": "V3"},
            "cdsConfig": {"ads": {}, "resourceApiVersion": "V3"},
            "adsConfig": {
                "apiType": "DELTA_GRPC",
                "transportApiVersion": "V3",
                "setNodeOnFirstMessageOnly": True,
                "grpcServices": [
                    {
                        "envoyGrpc": {"clusterName": names.ADS_CLUSTER},
                        "initialMetadata": [{"key": "authorization", "value": f"Bearer {token}"}],
                    }
                ],
            },
        },
        "staticResources": {"clusters": [_ads_cluster(ads_host, ads_port, ca_pem)]},
        "statsConfig": {"statsTags": [{"tagName": tag, "regex": regex} for tag, regex in STATS_TAGS]},
        "layeredRuntime": {
            "layers": [
                {
                    "name": "meshmeter",
                    # A sidecar has as many connections as its application; the limit is the operating system's.
                    "staticLayer": {"overload.global_downstream_max_connections": 50000},
                }
            ]
        },
    }


def _ads_cluster(host: str, port: int, ca_pem: str) -> dict[str, Any]:
    is_ip = parse_ip(host) is not None
    # An IP address stands in the certificate as such, a host name as a DNS name.
    san_type = "IP_ADDRESS" if is_ip else "DNS"
    tls: dict[str, Any] = {
        "@type": TLS,
        "commonTlsContext": {
            "tlsParams": {"tlsMinimumProtocolVersion": "TLSv1_2"},
            "validationContext": {
                "trustedCa": {"inlineString": ca_pem},
                "matchTypedSubjectAltNames": [{"sanType": san_type, "matcher": {"exact": host}}],
            },
        },
    }
    if not is_ip:
        tls["sni"] = host
    return {
        "name": names.ADS_CLUSTER,
        "type": "STATIC" if is_ip else "STRICT_DNS",
        "connectTimeout": "5s",
        "typedExtensionProtocolOptions": {
            HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
                "explicitHttpConfig": {
                    "http2ProtocolOptions": {"connectionKeepalive": {"interval": "30s", "timeout": "5s"}}
                },
            }
        },
        "transportSocket": {"name": "envoy.transport_sockets.tls", "typedConfig": tls},
        "loadAssignment": {
            "clusterName": names.ADS_CLUSTER,
            "endpoints": [
                {
                    "lbEndpoints": [
                        {
                            "endpoint": {
                                "address": {"socketAddress": {"address": host, "portValue": port}}
                            }
                        }
                    ]
                }
            ],
        },
    }
