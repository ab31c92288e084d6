"""Bootstraps for a real Envoy that needs no control plane."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def bootstrap(admin_socket: Path, *, port: int | None = None, upstream: int | None = None) -> dict[str, Any]:
    """Admin on a unix socket; with `port` a TCP proxy on loopback to `upstream`."""
    made: dict[str, Any] = {
        "node": {"id": "default.test", "cluster": "test"},
        "admin": {
            "address": {"pipe": {"path": str(admin_socket), "mode": 0o600}},
            "allow_paths": [{"prefix": "/stats"}, {"exact": "/ready"}, {"prefix": "/drain_listeners"}],
        },
    }
    if port is not None:
        made["static_resources"] = {
            "listeners": [_listener(port)],
            "clusters": [
                {
                    "name": "upstream",
                    "type": "STATIC",
                    "load_assignment": {
                        "cluster_name": "upstream",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(upstream or 1)}}]}],
                    },
                }
            ],
        }
    return made


def lonely_bootstrap(admin_socket: Path, *, ads_port: int = 1, token: str = "") -> dict[str, Any]:
    """Like `bootstrap`, but looking for an ADS server at a port of loopback where there is none; in the spelling of the
    control plane."""
    made = bootstrap(admin_socket)
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    address = {"socketAddress": {"address": "127.0.0.1", "portValue": ads_port}}
    made["staticResources"] = {
        "clusters": [
            {
                "name": "upstream",
                "type": "STATIC",
                "loadAssignment": {
                    "clusterName": "upstream",
                    "endpoints": [{"lbEndpoints": [{"endpoint": {"address": address}}]}],
                },
                "typedExtensionProtocolOptions": {
                    options: {
                        "@type": f"type.googleapis.com/{options}",
                        "explicitHttpConfig": {"http2ProtocolOptions": {}},
                    }
                },
            }
        ]
    }
    service: dict[str, Any] = {"envoyGrpc": {"clusterName": "upstream"}}
    if token:
        service["initialMetadata"] = [{"key": "authorization", "value": f"Bearer {token}"}]
    made["dynamicResources"] = {
        "cdsConfig": {"ads": {}, "resourceApiVersion": "V3"},
        "adsConfig": {"apiType": "DELTA_GRPC", "transportApiVersion": "V3", "grpcServices": [service]},
    }
    return made


def _listener(port: int) -> dict[str, Any]:
    return {
        "name": "in",
        "stat_prefix": "in",
        "address": _address(port),
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.tcp_proxy",
                        "typed_config": {
                            "@type": "type.googleapis.com/"
                            "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                            "stat_prefix": "in",
                            "cluster": "upstream",
                        },
                    }
                ]
            }
        ],
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
