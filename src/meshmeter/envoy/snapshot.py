"""build_snapshot: everything one proxy's Envoy is to have, from what holds for its Dataplane.

What cannot be built costs only itself: it is left out, and the snapshot says so in `problems`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from meshmeter.addresses import host_port, overlap
from meshmeter.effective.access import select_permission
from meshmeter.effective.certificate_lifetime import certificate_lifetime
from meshmeter.effective.credentials import NO_CREDENTIALS, Credentials
from meshmeter.effective.interfaces import DEFAULT_OUTBOUND_ADDRESS, listen_address
from meshmeter.effective.metrics import EffectiveMetrics
from meshmeter.effective.targets import MetricsTarget
from meshmeter.effective.tls_stage import TlsStage
from meshmeter.effective.transport import Transport, mtls_enabled
from meshmeter.effective.view import MeshView
from meshmeter.envoy import clusters, listeners, names, tls
from meshmeter.envoy.addresses import ip_literal
from meshmeter.envoy.metrics_listener import metrics_listener
from meshmeter.envoy.metrics_proxy import metrics_proxy
from meshmeter.envoy.protocols import protocol_of
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.envoy.services import service_of
from meshmeter.resources.dataplane import (
    BUILTIN_GATEWAY,
    SERVICE_TAG,
    DataplaneSpec,
    Inbound,
    MetricsProxy,
    Networking,
    Outbound,
)
from meshmeter.resources.resource import Resource
from meshmeter.xds import types
from meshmeter.xds.snapshot import Resource as XdsResource
from meshmeter.xds.snapshot import ResourceKey, Snapshot, build, pack

IGNORED = "Ignored"
"""State of an inbound that is no interface of the proxy at all."""


@dataclass(slots=True)
class _Parts:
    """What has been built so far."""

    resources: list[XdsResource] = field(default_factory=list)
    references: list[tuple[ResourceKey, ResourceKey]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    applications: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Local cluster to the address it stands for."""
    services: set[str] = field(default_factory=set)
    bound: dict[tuple[str, int], str] = field(default_factory=dict)
    """Address and port to the listener that has it."""

    def listen(self, document: dict[str, Any], cluster: str, secrets: Iterable[ResourceKey] = ()) -> None:
        """Add a listener that sends its traffic to a cluster and refers to these secrets."""
        listener = pack(document)
        self.resources.append(listener)
        self.refer(listener, ResourceKey(types.CLUSTER, cluster), *secrets)

    def refer(self, source: XdsResource, *targets: ResourceKey) -> None:
        """Note that a resource is of no use without others."""
        self.references += [(source.key, target) for target in targets]

    def is_taken(self, address: str, port: int, field_path: str) -> bool:
        """Whether an earlier part has the port; else it is this one's from now on."""
        owner = self.bound.setdefault((address, port), field_path)
        if owner == field_path:
            return False
        self.problems.append(
            f"{field_path}: {host_port(address, port)} is already used by {owner}; set another port"
        )
        return True


def build_snapshot(
    view: MeshView,
    dataplane: Resource[DataplaneSpec],
    effective: EffectiveMetrics | None,
    proxy: ProxyInfo,
    *,
    credentials: Credentials = NO_CREDENTIALS,
    targets: Collection[MetricsTarget] = (),
) -> Snapshot:
    """The snapshot. `effective` is None when metrics are off for this proxy; `targets` are what a metrics proxy
    reaches.

    In a mesh with mTLS everything but metrics that are meant to be otherwise needs the identity in `credentials`.
    Raises xds.snapshot.InconsistentSnapshot or ValueError only for a fault in this package.
    """
    parts = _Parts()
    networking = dataplane.spec.networking or Networking()
    stage = view.tls_stage
    identity = credentials.identity if stage.accepts_mtls else None
    if identity is None and not mtls_enabled(view.mesh.spec):
        # On its way to plain traffic, and there already for want of an identity.
        stage = TlsStage.OFF
    if identity is not None:
        parts.resources += [pack(document) for document in tls.secrets(identity)]
    if _carries_traffic(stage, networking, has_identity=identity is not None):
        for index, inbound in enumerate(networking.inbound or ()):
            _add_inbound(parts, view, stage, networking, inbound, f"networking.inbound[{index}]")
        for index, outbound in enumerate(networking.outbound or ()):
            _add_outbound(parts, view, stage, outbound, f"networking.outbound[{index}]")
    if effective is not None:
        written = listen_address(dataplane.spec)
        _add_metrics(parts, view, effective, written, proxy, has_identity=identity is not None)
    if networking.metrics_proxy is not None:
        _add_metrics_proxy(parts, view, networking.metrics_proxy, targets, has_identity=identity is not None)
    return build(parts.resources, parts.references, parts.problems)


def _carries_traffic(stage: TlsStage, networking: Networking, *, has_identity: bool) -> bool:
    """The one place that decides whether inbounds and outbounds are opened.

    In a mesh with mTLS they stay closed without an identity: plain listeners would let everybody in. A builtin gateway
    has listeners of its own kind, which are not built here.
    """
    builtin_gateway = networking.gateway is not None and networking.gateway.type == BUILTIN_GATEWAY
    return (has_identity or not stage.accepts_mtls) and not builtin_gateway


def _add_inbound(
    parts: _Parts, view: MeshView, stage: TlsStage, networking: Networking, inbound: Inbound, path: str
) -> None:
    service = (inbound.tags or {}).get(SERVICE_TAG, "unknown")
    if inbound.state == IGNORED or not inbound.port:
        return
    address = _ip(parts, inbound.address or networking.address, path, "address")
    application = _ip(
        parts, inbound.service_address or inbound.address or networking.address, path, "serviceAddress"
    )
    if address is None or application is None:
        return
    service_port = inbound.service_port or inbound.port
    if service_port == inbound.port and overlap(address, application):
        parts.problems.append(
            f"{path}: {host_port(address, inbound.port)} would forward to itself; set servicePort or "
            "serviceAddress to where the application listens"
        )
        return
    if parts.is_taken(address, inbound.port, path):
        return
    cluster = _local_cluster(parts, application, service_port, inbound)
    protocol, access = protocol_of(inbound), _access(view, stage, inbound)
    parts.listen(
        listeners.inbound_listener(address, inbound.port, service, cluster, service_port, protocol, access),
        cluster,
        _secrets(view, stage.accepts_mtls),
    )


def _access(view: MeshView, stage: TlsStage, inbound: Inbound) -> listeners.MeshAccess | None:
    if not stage.accepts_mtls:
        return None
    permission = select_permission(view.permissions, inbound.tags or {})
    lifetime = certificate_lifetime(view.mesh.spec.mtls)
    return listeners.MeshAccess(view.mesh.name, permission, stage.accepts_plain, lifetime)


def _secrets(view: MeshView, with_mtls: bool) -> tuple[ResourceKey, ...]:
    """What everything that speaks the mesh's mTLS refers to."""
    return tls.secret_keys(view.mesh.name) if with_mtls else ()


def _local_cluster(parts: _Parts, address: str, port: int, inbound: Inbound) -> str:
    """The cluster of the application, added unless an earlier inbound has it."""
    name = names.local_cluster(port)
    if parts.applications.get(name, (address, port)) != (address, port):
        name = names.local_cluster_at(address, port)
    if name not in parts.applications:
        parts.applications[name] = (address, port)
        parts.resources.append(pack(clusters.local_cluster(name, address, port, protocol_of(inbound))))
    return name


def _add_outbound(parts: _Parts, view: MeshView, stage: TlsStage, outbound: Outbound, path: str) -> None:
    tags: Mapping[str, str] = outbound.tags or {}
    if not outbound.port:
        return
    if SERVICE_TAG not in tags:
        parts.problems.append(f"{path}: has no tag {SERVICE_TAG}; backendRef is not supported")
        return
    address = _ip(parts, outbound.address or DEFAULT_OUTBOUND_ADDRESS, path, "address")
    if address is None or parts.is_taken(address, outbound.port, path):
        return
    service = service_of(view, tags, with_mtls=stage.calls_by_mtls)
    cluster = service.cluster
    if cluster.name not in parts.services:
        parts.services.add(cluster.name)
        parts.problems.extend(service.problems)
        parts.resources += [cluster, service.endpoints]
        parts.refer(cluster, service.endpoints.key, *_secrets(view, stage.calls_by_mtls))
    parts.listen(
        listeners.outbound_listener(
            address, outbound.port, tags[SERVICE_TAG], cluster.name, service.protocol
        ),
        cluster.name,
    )


def _add_metrics(
    parts: _Parts,
    view: MeshView,
    effective: EffectiveMetrics,
    written: str,
    proxy: ProxyInfo,
    *,
    has_identity: bool,
) -> None:
    address = ip_literal(written)
    if address is None:
        parts.problems.append(_not_an_ip("networking.address", written))
        return
    permission = select_permission(view.permissions, effective.tags.value)
    lifetime = certificate_lifetime(view.mesh.spec.mtls) if has_identity else None
    document = metrics_listener(effective, address, proxy, lifetime=lifetime, permission=permission)
    if document is None or parts.is_taken(address, effective.port.value, "the metrics endpoint"):
        return
    parts.resources.append(pack(clusters.metrics_cluster(proxy.agent_socket)))
    secrets = _secrets(view, effective.transport is Transport.MTLS)
    parts.listen(document, names.METRICS_CLUSTER, secrets)


def _add_metrics_proxy(
    parts: _Parts,
    view: MeshView,
    written: MetricsProxy,
    targets: Collection[MetricsTarget],
    *,
    has_identity: bool,
) -> None:
    """Add the forward proxy to the metrics endpoints of the mesh; without an identity it could reach none of them."""
    path = "networking.metricsProxy"
    with_tls = mtls_enabled(view.mesh.spec)
    if with_tls and not has_identity:
        return
    address = _ip(parts, written.address or DEFAULT_OUTBOUND_ADDRESS, path, "address")
    if address is None or not written.port or parts.is_taken(address, written.port, path):
        return
    mesh_tls = tls.upstream_mtls(view.mesh.name) if with_tls else None
    made = metrics_proxy(address, written.port, targets, mesh_tls)
    routes, listener = pack(made.routes), pack(made.listener)
    clusters = [pack(cluster) for cluster in made.clusters]
    parts.resources += [*clusters, listener, routes]
    parts.refer(listener, routes.key)
    for cluster in clusters:
        parts.refer(routes, cluster.key)
        parts.refer(cluster, *_secrets(view, with_tls))
    parts.problems += made.problems


def _ip(parts: _Parts, written: str | None, path: str, name: str) -> str | None:
    address = ip_literal(written)
    if address is None:
        parts.problems.append(_not_an_ip(f"{path}.{name}", written or ""))
    return address


def _not_an_ip(path: str, written: str) -> str:
    return f"{path}: Envoy needs an IP address here, not {written or 'nothing'}"
