"""Services: what every proxy that calls the same tags has in common, built once for a view of the mesh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from meshmeter.effective.view import MeshView
from meshmeter.envoy import names
from meshmeter.envoy.clusters import service_cluster
from meshmeter.envoy.endpoints import assignment, find_endpoints
from meshmeter.envoy.protocols import Protocol, common_protocol
from meshmeter.envoy.tls import upstream_mtls
from meshmeter.resources.dataplane import SERVICE_TAG
from meshmeter.xds.snapshot import Resource, pack


@dataclass(frozen=True, slots=True)
class Service:
    """A destination of outbounds."""

    protocol: Protocol
    cluster: Resource
    endpoints: Resource
    problems: tuple[str, ...]
    """Why a peer that should serve it cannot be called."""


def service_of(view: MeshView, tags: Mapping[str, str], *, with_mtls: bool) -> Service:
    """The service that these tags name, called in plain or by mTLS; `kuma.io/service` has to be among them."""
    key = (Service, with_mtls, frozenset(tags.items()))
    known = view.memo.get(key)
    if not isinstance(known, Service):
        known = view.memo[key] = _build(view, tags, with_mtls)
    return known


def _build(view: MeshView, tags: Mapping[str, str], with_mtls: bool) -> Service:
    found = find_endpoints(view, tags)
    protocol = common_protocol(found.protocols)
    cluster = names.service_cluster(tags)
    tls = upstream_mtls(view.mesh.name, service=tags[SERVICE_TAG]) if with_mtls else None
    return Service(
        protocol=protocol,
        cluster=pack(service_cluster(cluster, protocol, tls)),
        endpoints=pack(assignment(cluster, found)),
        problems=found.problems,
    )
