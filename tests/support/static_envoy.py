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


def lonely_bootstrap(admin_socket: Path) -> dict[str, Any]:
    """Like `bootstrap`, but looking for an ADS server where there is none (port 1 of loopback)."""
    made = bootstrap(admin_socket, port=0, upstream=1)
    (cluster,) = made["static_resources"]["clusters"]
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    cluster["typed_extension_protocol_options"] = {
        options: {
            "@type": f"type.googleapis.com/{options}",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
    }
    made["dynamic_resources"] = {
        "cds_config": {"ads": {}, "resource_api_version": "V3"},
        "ads_config": {
            "api_type": "DELTA_GRPC",
            "transport_api_version": "V3",
            "grpc_services": [{"envoy_grpc": {"cluster_name": "upstream"}}],
        },
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
