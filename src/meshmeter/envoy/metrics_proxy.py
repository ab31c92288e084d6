"""The metrics proxy: a forward proxy on loopback for a Prometheus beside its own sidecar (an extension of ours).

Prometheus names it in `proxy_url` and asks for plain URLs; this Envoy adds the mesh's TLS, with the identity of its
Dataplane. It reaches exactly the metrics endpoints of its mesh: a virtual host lists their addresses, a route has
their path, methods other than GET and HEAD are refused. The target of a request is the authority it names, which by
then is known to be one of the list, so one cluster serves all endpoints, however many there are.

Routes come by RDS: a proxy that joins or leaves the mesh changes the list without touching the listener.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from meshmeter.addresses import host_port
from meshmeter.effective.targets import MetricsTarget, proxied
from meshmeter.effective.transport import Transport
from meshmeter.envoy import names
from meshmeter.envoy.addresses import ip_literal
from meshmeter.envoy.clusters import ADS_SOURCE, CONNECT_TIMEOUT, http_options
from meshmeter.envoy.http import (
    FOR_SCRAPES,
    SCRAPER_IDLE_TIMEOUT,
    connection_limits,
    connection_manager,
)
from meshmeter.envoy.listeners import listener
from meshmeter.envoy.metrics_listener import TIMEOUT
from meshmeter.xds import types

FORBIDDEN = "not a metrics endpoint of this mesh\n"

CLUSTERS = {
    Transport.PLAIN: names.METRICS_PROXY_PLAIN,
    Transport.MTLS: names.METRICS_PROXY_MTLS,
}
"""Transport of a target to the cluster that reaches it."""


@dataclass(frozen=True, slots=True)
class MetricsProxy:
    """Everything a proxy needs to be one: documents for `xds.snapshot.pack`."""

    listener: dict[str, Any]
    routes: dict[str, Any]
    clusters: tuple[dict[str, Any], ...]
    problems: tuple[str, ...] = field(default=())
    """Targets that cannot be reached through it, and why."""


def metrics_proxy(
    address: str, port: int, targets: Iterable[MetricsTarget], mesh_tls: dict[str, Any] | None
) -> MetricsProxy:
    """A proxy on `address` for these targets. `mesh_tls` is the transport socket with the identity of this Dataplane,
    None if it has none: targets behind mTLS are then left out."""
    hosts: defaultdict[str, list[MetricsTarget]] = defaultdict(list)
    problems: list[str] = []
    for target in proxied(targets):
        ip = ip_literal(target.address)
        if ip is None:
            problems.append(
                f"networking.metricsProxy: {target.address or 'a target without address'} cannot be reached through "
                "it: it is no IP address; set networking.advertisedAddress of that Dataplane to one"
            )
        elif target.transport is not Transport.MTLS or mesh_tls is not None:
            hosts[host_port(ip, target.port)].append(target)
    groups: defaultdict[tuple[tuple[str, Transport], ...], list[str]] = defaultdict(list)
    for host, found in hosts.items():
        # Sorted, so that mTLS goes first where two Dataplanes contradict each other about one address.
        groups[tuple(sorted({(target.path, target.transport) for target in found}))].append(host)
    used = {transport for group in groups for _, transport in group}
    return MetricsProxy(
        listener=_listener(address, port),
        routes=_routes(groups),
        clusters=tuple(
            _cluster(name, mesh_tls if transport is Transport.MTLS else None)
            for transport, name in CLUSTERS.items()
            if transport in used
        ),
        problems=tuple(problems),
    )


def _listener(address: str, port: int) -> dict[str, Any]:
    manager = connection_manager(
        names.stat_name(names.METRICS_PROXY),
        None,
        rds={"configSource": ADS_SOURCE, "routeConfigName": names.METRICS_PROXY},
        # As a client of a proxy sends it: GET http://10.0.0.1:5670/metrics HTTP/1.1
        **FOR_SCRAPES
        | {"httpProtocolOptions": FOR_SCRAPES["httpProtocolOptions"] | {"allowAbsoluteUrl": True}},
        **connection_limits(idle=SCRAPER_IDLE_TIMEOUT),
    )
    return listener(names.METRICS_PROXY, address, port, "OUTBOUND", [{"filters": [manager]}])


def _routes(groups: dict[tuple[tuple[str, Transport], ...], list[str]]) -> dict[str, Any]:
    hosts = [
        {
            "name": " ".join(f"{transport}:{path}" for path, transport in group),
            "domains": sorted(domains),
            "routes": [route for path, transport in group for route in _scrape(path, CLUSTERS[transport])],
        }
        for group, domains in sorted(groups.items())
    ]
    hosts.append({"name": "everything else", "domains": ["*"], "routes": [_refuse({"prefix": "/"}, 403)]})
    return {
        "@type": types.ROUTES,
        "name": names.METRICS_PROXY,
        "validateClusters": False,
        "virtualHosts": hosts,
    }


def _scrape(path: str, cluster: str) -> Sequence[dict[str, Any]]:
    methods = [{"name": ":method", "stringMatch": {"safeRegex": {"regex": "GET|HEAD"}}}]
    return (
        {
            "match": {"path": path, "headers": methods},
            "route": {"cluster": cluster, "timeout": TIMEOUT},
        },
        _refuse({"path": path}, 405)
        | {
            "responseHeadersToAdd": [
                {
                    "header": {"key": "allow", "value": "GET, HEAD"},
                    "appendAction": "OVERWRITE_IF_EXISTS_OR_ADD",
                }
            ]
        },
    )


def _refuse(match: dict[str, Any], status: int) -> dict[str, Any]:
    response: dict[str, Any] = {"status": status}
    if status == 403:
        response["body"] = {"inlineString": FORBIDDEN}
    return {"match": match, "directResponse": response}


def _cluster(name: str, transport_socket: dict[str, Any] | None) -> dict[str, Any]:
    """Connections to whatever address the request names."""
    document: dict[str, Any] = {
        "@type": types.CLUSTER,
        "name": name,
        "altStatName": names.stat_name(name),
        "connectTimeout": CONNECT_TIMEOUT,
        "type": "ORIGINAL_DST",
        "lbPolicy": "CLUSTER_PROVIDED",
        "originalDstLbConfig": {"useHttpHeader": True, "httpHeaderName": ":authority"},
        "typedExtensionProtocolOptions": http_options({"httpProtocolOptions": {}}),
    }
    if transport_socket is not None:
        document["transportSocket"] = transport_socket
    return document
