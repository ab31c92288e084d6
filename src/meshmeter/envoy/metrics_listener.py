"""The listener of the metrics endpoint (design 5, kuma-facts 6, deviations D11-D16).

One exact path, GET and HEAD, everything else 404 or 405. The request goes on to the agent with its query
untouched; filters are the agent's business.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from meshmeter.effective.certificate_lifetime import http_connection
from meshmeter.effective.metrics import EffectiveMetrics
from meshmeter.effective.transport import Transport
from meshmeter.envoy import names
from meshmeter.envoy.http import (
    FOR_SCRAPES,
    SCRAPER_IDLE_TIMEOUT,
    compressor,
    connection_limits,
    connection_manager,
    virtual_host,
)
from meshmeter.envoy.listeners import HANDSHAKE_TIMEOUT, listener
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.envoy.rbac import rbac_filter
from meshmeter.envoy.tls import downstream_mtls, downstream_provided
from meshmeter.resources.resource import Resource
from meshmeter.resources.traffic_permission import TrafficPermissionSpec

AGENT_PATH = "/metrics"
"""Where the agent serves, whatever the path of the endpoint."""

TIMEOUT = "90s"
"""Longer than any sensible scrape timeout: deadlines are the scraper's and the agent's."""

CONTENT_TYPES = ("text/plain", "application/openmetrics-text")


def metrics_listener(
    effective: EffectiveMetrics,
    address: str,
    proxy: ProxyInfo,
    *,
    lifetime: timedelta | None = None,
    permission: Resource[TrafficPermissionSpec] | None = None,
) -> dict[str, Any] | None:
    """The listener on `address`, or None if there is to be none.

    `lifetime` is that of the mesh's certificates, None unless the snapshot has the secrets of mTLS. `permission` is the
    one that holds for the tags of the endpoint; in a mesh with mTLS nobody may scrape without.
    """
    filter_chain = _filter_chain(effective, proxy, lifetime, permission)
    if filter_chain is None:
        return None
    return listener(names.METRICS_LISTENER, address, effective.port.value, "INBOUND", [filter_chain])


def _filter_chain(
    effective: EffectiveMetrics,
    proxy: ProxyInfo,
    lifetime: timedelta | None,
    permission: Resource[TrafficPermissionSpec] | None,
) -> dict[str, Any] | None:
    """The one place that decides whether the endpoint opens, and behind what.

    A protection that cannot be had keeps it closed (deviations D12). The proxy's own host is no exception (D11).
    """
    if not effective.serves:
        return None
    path = effective.path.value
    match effective.transport:
        case Transport.PLAIN:
            return {"filters": [_manager(path)]}
        case Transport.MTLS if lifetime is not None:
            access = rbac_filter(names.METRICS_LISTENER, effective.mesh, permission)
            filters = [access, _manager(path, http_connection(lifetime))]
            return _behind(downstream_mtls(effective.mesh), filters)
        case Transport.PROVIDED_TLS if proxy.metrics_sds_path is not None:
            return _behind(downstream_provided(proxy.metrics_sds_path), [_manager(path)])
        case _:
            return None


def _behind(transport_socket: dict[str, Any], filters: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "filters": filters,
        "transportSocket": transport_socket,
        "transportSocketConnectTimeout": HANDSHAKE_TIMEOUT,
    }


def _manager(path: str, lasts: timedelta | None = None) -> dict[str, Any]:
    return connection_manager(
        names.stat_name(names.METRICS_LISTENER),
        {
            "validateClusters": False,
            "virtualHosts": [virtual_host(names.METRICS_LISTENER, [_scrape(path), _other_methods(path)])],
        },
        filters=[compressor(CONTENT_TYPES)],
        **FOR_SCRAPES,
        **connection_limits(lasts=lasts, idle=SCRAPER_IDLE_TIMEOUT),
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
