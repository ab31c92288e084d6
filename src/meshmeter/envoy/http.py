"""The HTTP connection manager, the filter that turns a connection into requests and their metrics.

Nobody instructs our proxies by a header (deviations D29): what Envoy would take for an instruction (`x-envoy-…`:
retries, timeouts, names of stats, forced traces) is removed before anything looks at it, and no client counts as
internal, whatever address it has or says it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

HTTP_CONNECTION_MANAGER = "envoy.filters.network.http_connection_manager"

_EXTENSIONS = "type.googleapis.com/envoy.extensions"

ROUTER = {
    "name": "envoy.filters.http.router",
    "typedConfig": {"@type": f"{_EXTENSIONS}.filters.http.router.v3.Router"},
}


INSTRUCTIONS = "x-envoy-"
"""Beginning of the names of all headers that tell Envoy what to do."""

NO_INSTRUCTIONS: dict[str, Any] = {
    "earlyHeaderMutationExtensions": [
        {
            "name": "envoy.http.early_header_mutation.header_mutation",
            "typedConfig": {
                "@type": f"{_EXTENSIONS}.http.early_header_mutation.header_mutation.v3.HeaderMutation",
                "mutations": [{"removeOnMatch": {"keyMatcher": {"prefix": INSTRUCTIONS}}}],
            },
        }
    ],
    "internalAddressConfig": {"cidrRanges": [{"addressPrefix": "0.0.0.0", "prefixLen": 32}]},
}
"""Of every connection manager. No client can have the one internal address; Envoy takes an empty list for its default,
which has the loopback."""

FOR_SCRAPES: dict[str, Any] = {
    "useRemoteAddress": True,
    "skipXffAppend": True,
    "codecType": "HTTP1",
    "maxRequestHeadersKb": 16,
    "requestHeadersTimeout": "10s",
    "requestTimeout": "15s",
    "streamIdleTimeout": "120s",
    "httpProtocolOptions": {"acceptHttp10": True, "defaultHostForHttp10": "metrics"},
}
"""Of those whose clients are scrapers, which may be anybody: a request is small and comes at once, and the client's
address is that of its connection. An answer may be silent for longer than the longest scrape. HTTP/1.0 is answered
too, with or without a Host."""

SCRAPER_IDLE_TIMEOUT = "75s"
"""Longer than the usual interval between two scrapes of one scraper."""


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
            **NO_INSTRUCTIONS,
            **more,
        },
    }


def seconds(time: timedelta) -> str:
    """A duration as Envoy reads it."""
    return f"{time.total_seconds():.3f}s"


def connection_limits(*, lasts: timedelta | None = None, idle: str | None = None) -> dict[str, Any]:
    """Fields of a manager: how long a connection may last, and be without a request.

    At the end of its time a connection is told to close with its next answer; no request is cut.
    """
    options = {"idleTimeout": idle} if idle is not None else {}
    if lasts is None:
        return {"commonHttpProtocolOptions": options} if options else {}
    return {
        "commonHttpProtocolOptions": {**options, "maxConnectionDuration": seconds(lasts)},
        "http1SafeMaxConnectionDuration": True,
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
                "commonConfig": {"contentTypeMatcher": [{"exact": name} for name in content_types]},
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
