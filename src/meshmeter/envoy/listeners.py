"""Listeners: inbound, outbound, and the metrics endpoint (design 5, deviations D11, D14)."""

from __future__ import annotations

from typing import Any

from meshmeter.envoy import names
from meshmeter.envoy.clusters import HTTP_PROTOCOLS

LISTENER_TYPE = "type.googleapis.com/envoy.config.listener.v3.Listener"
HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
TCP_PROXY = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
ROUTER = "envoy.extensions.filters.http.router.v3.Router"
COMPRESSOR = "envoy.extensions.filters.http.compressor.v3.Compressor"
GZIP = "envoy.extensions.compression.gzip.compressor.v3.Gzip"

SCRAPE_ROUTE_TIMEOUT = "90s"
"""Longer than any scraper waits, so that Envoy never cuts a scrape shorter than the scraper (design 5)."""

AGENT_PATH = "/metrics"
"""The one path that the agent serves on its socket."""


def metrics_listener(address: str, port: int, path: str, *, ipv6: bool) -> dict[str, Any]:
    """The metrics endpoint: one exact path, GET and HEAD, answered by the agent."""
    at_path = {"path": path}
    is_read = {
        "name": ":method",
        "stringMatch": {"safeRegex": {"regex": "GET|HEAD"}},
    }
    routes = [
        {
            "match": {**at_path, "headers": [is_read]},
            "route": {
                "cluster": names.METRICS_CLUSTER,
                "prefixRewrite": AGENT_PATH,
                "timeout": SCRAPE_ROUTE_TIMEOUT,
            },
        },
        {
            "match": at_path,
            "directResponse": {"status": 405},
            "responseHeadersToAdd": [{"header": {"key": "allow", "value": "GET, HEAD"}}],
        },
    ]
    ranges = [{"addressPrefix": "127.0.0.1", "prefixLen": 32}]
    if ipv6:
        ranges.append({"addressPrefix": "::1", "prefixLen": 128})
    manager = {
        "statPrefix": names.METRICS_STAT_PREFIX,
        "internalAddressConfig": {"cidrRanges": ranges},
        "httpFilters": [_compressor(), _router()],
        "routeConfig": {
            "validateClusters": False,
            "virtualHosts": [{"name": names.METRICS_LISTENER, "domains": ["*"], "routes": routes}],
        },
    }
    return _listener(names.METRICS_LISTENER, address, port, "INBOUND", _http(manager))


def inbound_listener(address: str, port: int, service: str, service_port: int, protocol: str) -> dict[str, Any]:
    """Traffic for the application."""
    cluster = names.local_cluster(service_port)
    prefix = names.local_stat_prefix(service_port)
    if protocol in HTTP_PROTOCOLS:
        routes = _all_to(cluster, names.inbound_route(service), service)
        filter_ = _http({"statPrefix": prefix, "httpFilters": [_router()], "routeConfig": routes})
    else:
        filter_ = _tcp(prefix, cluster)
    return _listener(names.inbound_listener(address, port), address, port, "INBOUND", filter_)


def outbound_listener(address: str, port: int, service: str, cluster: str, protocol: str) -> dict[str, Any]:
    """Traffic of the application for a service of the mesh."""
    prefix = names.stat_name(service)
    if protocol in HTTP_PROTOCOLS:
        routes = _all_to(cluster, f"outbound:{service}", service)
        filter_ = _http({"statPrefix": prefix, "httpFilters": [_router()], "routeConfig": routes})
    else:
        filter_ = _tcp(names.stat_name(cluster), cluster)
    return _listener(names.outbound_listener(address, port), address, port, "OUTBOUND", filter_)


def _listener(name: str, address: str, port: int, direction: str, filter_: dict[str, Any]) -> dict[str, Any]:
    return {
        "@type": LISTENER_TYPE,
        "name": name,
        "address": {"socketAddress": {"address": address, "portValue": port}},
        "trafficDirection": direction,
        # With reuse_port the kernel lets two processes share a port, and a conflict would pass unseen.
        "enableReusePort": False,
        "filterChains": [{"filters": [filter_]}],
    }


def _http(manager: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typedConfig": {"@type": f"type.googleapis.com/{HCM}", **manager},
    }


def _tcp(prefix: str, cluster: str) -> dict[str, Any]:
    return {
        "name": "envoy.filters.network.tcp_proxy",
        "typedConfig": {"@type": f"type.googleapis.com/{TCP_PROXY}", "statPrefix": prefix, "cluster": cluster},
    }


def _all_to(cluster: str, route: str, host: str) -> dict[str, Any]:
    """Every request to one cluster; Envoy's 15 s limit is off, for how long a request may take is not ours to say."""
    return {
        "name": route,
        "validateClusters": False,
        "virtualHosts": [
            {
                "name": host,
                "domains": ["*"],
                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": "0s"}}],
            }
        ],
    }


def _router() -> dict[str, Any]:
    return {
        "name": "envoy.filters.http.router",
        "typedConfig": {"@type": f"type.googleapis.com/{ROUTER}"},
    }


def _compressor() -> dict[str, Any]:
    """Gzip at its fastest, for scrapers that accept it."""
    return {
        "name": "envoy.filters.http.compressor",
        "typedConfig": {
            "@type": f"type.googleapis.com/{COMPRESSOR}",
            "responseDirectionConfig": {
                "commonConfig": {
                    "minContentLength": 1024,
                    "contentType": ["text/plain", "application/openmetrics-text"],
                }
            },
            "compressorLibrary": {
                "name": "gzip",
                "typedConfig": {"@type": f"type.googleapis.com/{GZIP}", "compressionLevel": "BEST_SPEED"},
            },
        },
    }
