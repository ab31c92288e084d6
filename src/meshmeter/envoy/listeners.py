"""Listeners of application traffic: inbounds and outbounds, as HTTP or as TCP (kuma-facts 6.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meshmeter.envoy import names
from meshmeter.envoy.addresses import socket_address
from meshmeter.envoy.http import connection_manager, virtual_host
from meshmeter.envoy.protocols import Protocol
from meshmeter.xds import types

NO_TIMEOUT = "0s"
"""How long a request may take is for the applications to say."""


def listener(
    name: str, address: str, port: int, direction: str, filter_chains: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """A listener on one address.

    Without port reuse a port that another process holds is refused, and so is told, instead of shared unseen.
    """
    return {
        "@type": types.LISTENER,
        "name": name,
        "address": socket_address(address, port),
        "trafficDirection": direction,
        "enableReusePort": False,
        "filterChains": list(filter_chains),
    }


def inbound_listener(
    address: str, port: int, service: str, cluster: str, service_port: int, protocol: Protocol
) -> dict[str, Any]:
    """What peers call; goes to the application's cluster."""
    stat_prefix = names.stat_name(names.local_cluster(service_port))
    route = names.inbound_route(service)
    return listener(
        names.inbound_listener(address, port),
        address,
        port,
        "INBOUND",
        [{"filters": [_traffic_filter(stat_prefix, route, service, cluster, protocol)]}],
    )


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
    stat_prefix: str, route_name: str, host_name: str, cluster: str, protocol: Protocol
) -> dict[str, Any]:
    if not protocol.is_http:
        return {
            "name": "envoy.filters.network.tcp_proxy",
            "typedConfig": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "statPrefix": stat_prefix,
                "cluster": cluster,
            },
        }
    route = {"match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": NO_TIMEOUT}}
    return connection_manager(
        stat_prefix,
        {
            "name": route_name,
            "validateClusters": False,
            "virtualHosts": [virtual_host(host_name, [route])],
        },
        upgradeConfigs=[{"upgradeType": "websocket"}],
    )
