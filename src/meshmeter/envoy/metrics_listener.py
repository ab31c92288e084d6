"""The listener of the metrics endpoint (design 5, kuma-facts 6, deviations D11-D16).

One exact path, GET and HEAD, everything else 404 or 405. The request goes on to the agent with its query
untouched; filters are the agent's business.
"""

from __future__ import annotations

from typing import Any

from meshmeter.effective.metrics import EffectiveMetrics
from meshmeter.effective.transport import Transport
from meshmeter.envoy import names
from meshmeter.envoy.http import compressor, connection_manager, virtual_host
from meshmeter.envoy.listeners import listener
from meshmeter.envoy.proxy import ProxyInfo

AGENT_PATH = "/metrics"
"""Where the agent serves, whatever the path of the endpoint."""

TIMEOUT = "90s"
"""Longer than any sensible scrape timeout: deadlines are the scraper's and the agent's."""

CONTENT_TYPES = ("text/plain", "application/openmetrics-text")


def metrics_listener(effective: EffectiveMetrics, address: str, proxy: ProxyInfo) -> dict[str, Any] | None:
    """The listener on `address`, or None if there is to be none."""
    filter_chains = _filter_chains(effective, proxy)
    if filter_chains is None:
        return None
    return listener(names.METRICS_LISTENER, address, effective.port.value, "INBOUND", filter_chains)


def _filter_chains(effective: EffectiveMetrics, proxy: ProxyInfo) -> list[dict[str, Any]] | None:
    """The one place that decides whether the endpoint opens, and behind what.

    A protection that is not built here keeps it closed (deviations D12).
    """
    if not effective.serves:
        return None
    match effective.transport:
        case Transport.PLAIN:
            return [{"filters": [_manager(effective.path.value, proxy)]}]
        case _:
            return None


def _manager(path: str, proxy: ProxyInfo) -> dict[str, Any]:
    internal = [{"addressPrefix": "127.0.0.1", "prefixLen": 32}]
    if proxy.ipv6:
        internal.append({"addressPrefix": "::1", "prefixLen": 128})
    return connection_manager(
        names.stat_name(names.METRICS_LISTENER),
        {
            "validateClusters": False,
            "virtualHosts": [virtual_host(names.METRICS_LISTENER, [_scrape(path), _other_methods(path)])],
        },
        filters=[compressor(CONTENT_TYPES)],
        internalAddressConfig={"cidrRanges": internal},
    )


def _scrape(path: str) -> dict[str, Any]:
    return {
        "match": {
            "path": path,
            "headers": [{"name": ":method", "stringMatch": {"safeRegex": {"regex": "GET|HEAD"}}}],
        },
        "route": {"cluster": names.METRICS_CLUSTER, "prefixRewrite": AGENT_PATH, "timeout": TIMEOUT},
    }


def _other_methods(path: str) -> dict[str, Any]:
    return {
        "match": {"path": path},
        "directResponse": {"status": 405},
        "responseHeadersToAdd": [
            {"header": {"key": "allow", "value": "GET, HEAD"}, "appendAction": "OVERWRITE_IF_EXISTS_OR_ADD"}
        ],
    }
