"""The HTTP connection manager, the filter that turns a connection into requests and their metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

HTTP_CONNECTION_MANAGER = "envoy.filters.network.http_connection_manager"

_EXTENSIONS = "type.googleapis.com/envoy.extensions"

ROUTER = {
    "name": "envoy.filters.http.router",
    "typedConfig": {"@type": f"{_EXTENSIONS}.filters.http.router.v3.Router"},
}


def connection_manager(
    stat_prefix: str,
    route_config: dict[str, Any] | None,
    *,
    filters: Sequence[dict[str, Any]] = (),
    **more: Any,
) -> dict[str, Any]:
    """The network filter. `filters` come before the router; `more` are further fields of the manager.

    Without a `route_config` its routes come by RDS, and `more` has `rds`.
    """
    routes = {"routeConfig": route_config} if route_config is not None else {}
    return {
        "name": HTTP_CONNECTION_MANAGER,
        "typedConfig": {
            "@type": f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "statPrefix": stat_prefix,
            **routes,
            "httpFilters": [*filters, ROUTER],
            **more,
        },
    }


def virtual_host(name: str, routes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A virtual host for every authority."""
    return {"name": name, "domains": ["*"], "routes": list(routes)}


def compressor(content_types: Sequence[str]) -> dict[str, Any]:
    """A filter that compresses responses of these types for clients that accept gzip.

    The level is the fastest: metrics are so repetitive that more effort costs time and saves little.
    """
    return {
        "name": "envoy.filters.http.compressor",
        "typedConfig": {
            "@type": f"{_EXTENSIONS}.filters.http.compressor.v3.Compressor",
            "responseDirectionConfig": {
                "commonConfig": {"contentType": list(content_types)},
                "removeAcceptEncodingHeader": True,
            },
            "compressorLibrary": {
                "name": "gzip",
                "typedConfig": {
                    "@type": f"{_EXTENSIONS}.compression.gzip.compressor.v3.Gzip",
                    "compressionLevel": "BEST_SPEED",
                    "chunkSize": 65536,
                },
            },
        },
    }
