"""Listeners of application traffic: inbounds and outbounds, as HTTP or as TCP (kuma-facts 6.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from meshmeter.effective.certificate_lifetime import http_connection, tcp_connection
from meshmeter.envoy import names
from meshmeter.envoy.addresses import socket_address
from meshmeter.envoy.http import connection_limits, connection_manager, seconds, virtual_host
from meshmeter.envoy.protocols import Protocol
from meshmeter.envoy.rbac import rbac_filter
from meshmeter.envoy.tls import downstream_mtls
from meshmeter.resources.resource import Resource
from meshmeter.resources.traffic_permission import TrafficPermissionSpec
from meshmeter.xds import types

NO_TIMEOUT = "0s"
"""How long a request may take is for the applications to say."""

HANDSHAKE_TIMEOUT = "10s"
"""How long a TLS handshake may take."""

TLS_INSPECTOR = {
    "name": "envoy.filters.listener.tls_inspector",
    "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
    },
}
"""Looks at the first bytes of a connection, so that filter chains can be chosen by them."""


@dataclass(frozen=True, slots=True)
class MeshAccess:
    """How an inbound is protected in a mesh with mTLS."""

    mesh: str
    permission: Resource[TrafficPermissionSpec] | None
    """Who may call; without one nobody may."""
    permissive: bool
    """Whether callers outside the mesh may call in plain, or with TLS that is the application's business."""
    lifetime: timedelta
    """Of the certificates by which callers are let in."""


def listener(
    name: str, address: str, port: int, direction: str, filter_chains: Sequence[dict[str, Any]], **more: Any
) -> dict[str, Any]:
    """A listener on one address; `more` are further fields.

    Without port reuse a port that another process holds is refused, and so is told, instead of shared unseen.
    """
    return {
        **more,
        "@type": types.LISTENER,
        "name": name,
        "address": socket_address(address, port),
        "trafficDirection": direction,
        "enableReusePort": False,
        "filterChains": list(filter_chains),
    }


def inbound_listener(
    address: str,
    port: int,
    service: str,
    cluster: str,
    service_port: int,
    protocol: Protocol,
    access: MeshAccess | None = None,
) -> dict[str, Any]:
    """What peers call; goes to the application's cluster. Without `access` everybody may call."""
    name = names.inbound_listener(address, port)
    stat_prefix = names.stat_name(names.local_cluster(service_port))
    route = names.inbound_route(service)
    traffic = _traffic_filter(stat_prefix, route, service, cluster, protocol)
    if access is None:
        return listener(name, address, port, "INBOUND", [{"filters": [traffic]}])
    authenticated = _traffic_filter(stat_prefix, route, service, cluster, protocol, access.lifetime)
    mtls = {
        "filters": [rbac_filter(name, access.mesh, access.permission), authenticated],
        "transportSocket": downstream_mtls(access.mesh),
        "transportSocketConnectTimeout": HANDSHAKE_TIMEOUT,
    }
    if not access.permissive:
        return listener(name, address, port, "INBOUND", [mtls])
    of_the_mesh = {"transportProtocol": "tls", "applicationProtocols": [names.MESH_PROTOCOL]}
    application_tls = _tcp_filter(stat_prefix, cluster)
    chains = [
        {"filterChainMatch": of_the_mesh, **mtls},
        {"filterChainMatch": {"transportProtocol": "tls"}, "filters": [application_tls]},
        {"filterChainMatch": {"transportProtocol": "raw_buffer"}, "filters": [traffic]},
    ]
    return listener(name, address, port, "INBOUND", chains, listenerFilters=[TLS_INSPECTOR])


def outbound_listener(
    address: str, port: int, service: str, cluster: str, protocol: Protocol
) -> dict[str, Any]:
    """What the application calls; goes to the service's cluster."""
    stat_prefix = names.stat_name(service)
    route = names.outbound_route(service)
    return listener(
        names.outbound_listener(address, port),
        address,
        port,
        "OUTBOUND",
        [{"filters": [_traffic_filter(stat_prefix, route, service, cluster, protocol)]}],
    )


def _traffic_filter(
    stat_prefix: str,
    route_name: str,
    host_name: str,
    cluster: str,
    protocol: Protocol,
    lifetime: timedelta | None = None,
) -> dict[str, Any]:
    """`lifetime`: of the certificates by which clients were let in, None if they are not verified."""
    if not protocol.is_http:
        return _tcp_filter(stat_prefix, cluster, lifetime)
    route = {"match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": NO_TIMEOUT}}
    return connection_manager(
        stat_prefix,
        {
            "name": route_name,
            "validateClusters": False,
            "virtualHosts": [virtual_host(host_name, [route])],
        },
        upgradeConfigs=[{"upgradeType": "websocket"}],
        **connection_limits(lasts=http_connection(lifetime) if lifetime is not None else None),
    )


def _tcp_filter(stat_prefix: str, cluster: str, lifetime: timedelta | None = None) -> dict[str, Any]:
    lasts = (
        {"maxDownstreamConnectionDuration": seconds(tcp_connection(lifetime))} if lifetime is not None else {}
    )
    return {
        "name": "envoy.filters.network.tcp_proxy",
        "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "statPrefix": stat_prefix,
            "cluster": cluster,
            **lasts,
        },
    }
