"""`build_snapshot`: every xDS resource of one proxy, from what the mesh says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from meshmeter.effective.addresses import parse_ip
from meshmeter.effective.interfaces import DEFAULT_OUTBOUND_ADDRESS, listen_address
from meshmeter.effective.metrics import EffectiveMetrics
from meshmeter.effective.view import MeshView
from meshmeter.envoy import clusters, listeners, names
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.resources.dataplane import SERVICE_TAG, DataplaneSpec, Networking
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import Resource
from meshmeter.xds.protos import serialize
from meshmeter.xds.snapshot import CLUSTER, ENDPOINTS, LISTENER, Snapshot, XdsResource

Config = dict[str, Any]


def build_snapshot(
    view: MeshView,
    dataplane: Resource[DataplaneSpec],
    effective: EffectiveMetrics | None,
    proxy: ProxyInfo,
) -> Snapshot:
    """The proxy's snapshot; the same input gives the same bytes."""
    parts = _Parts()
    networking = dataplane.spec.networking or Networking()
    if can_carry_traffic(view.mesh.spec):
        _inbounds(parts, networking)
        _outbounds(parts, view, networking)
    _metrics(parts, dataplane.spec, effective, proxy)
    return parts.snapshot()


def can_carry_traffic(mesh: MeshSpec) -> bool:
    """Whether traffic between services is served. Where the Mesh asks for mTLS it is not sent in plain text instead,
    so nothing listens (fail closed)."""
    return mesh.mtls is None or mesh.mtls.enabled() is None


class _Parts:
    """Collects configurations by type. The first of a name wins: two inbounds may share an application."""

    def __init__(self) -> None:
        self._configs: dict[str, dict[str, tuple[Config, frozenset[tuple[str, str]]]]] = {}

    def add(
        self, type_url: str, name: str, config: Config, needs: Iterable[tuple[str, str]] = ()
    ) -> None:
        self._configs.setdefault(type_url, {}).setdefault(name, (config, frozenset(needs)))

    def snapshot(self) -> Snapshot:
        return Snapshot.of(
            {
                type_url: [
                    XdsResource.of(name, serialize(config), needs) for name, (config, needs) in named.items()
                ]
                for type_url, named in self._configs.items()
            }
        )


def _inbounds(parts: _Parts, networking: Networking) -> None:
    for inbound in networking.inbound or ():
        address = inbound.address or networking.address or ""
        application = inbound.service_address or address
        if not inbound.port or inbound.state == "Ignored" or not (parse_ip(address) and parse_ip(application)):
            continue
        port = inbound.service_port or inbound.port
        protocol = clusters.protocol_of(inbound)
        service = (inbound.tags or {}).get(SERVICE_TAG, "unknown")
        cluster = names.local_cluster(port)
        parts.add(CLUSTER, cluster, clusters.local_cluster(application, port, protocol))
        listener = listeners.inbound_listener(address, inbound.port, service, port, protocol)
        parts.add(LISTENER, listener["name"], listener, [(CLUSTER, cluster)])


def _outbounds(parts: _Parts, view: MeshView, networking: Networking) -> None:
    for outbound in networking.outbound or ():
        address = outbound.address or DEFAULT_OUTBOUND_ADDRESS
        tags: Mapping[str, str] = outbound.tags or {}
        if not outbound.port or SERVICE_TAG not in tags or not parse_ip(address):
            continue
        found = clusters.endpoints(view, tags)
        protocol = clusters.common_protocol(found)
        cluster = names.service_cluster(tags)
        parts.add(CLUSTER, cluster, clusters.service_cluster(cluster, protocol), [(ENDPOINTS, cluster)])
        parts.add(ENDPOINTS, cluster, clusters.load_assignment(cluster, found))
        listener = listeners.outbound_listener(address, outbound.port, tags[SERVICE_TAG], cluster, protocol)
        parts.add(LISTENER, listener["name"], listener, [(CLUSTER, cluster)])


def _metrics(
    parts: _Parts, spec: DataplaneSpec, effective: EffectiveMetrics | None, proxy: ProxyInfo
) -> None:
    """The metrics endpoint, unless metrics are off, a finding forbids it, or Envoy has no admin to ask."""
    address = listen_address(spec)
    if effective is None or not effective.serves or not proxy.admin_socket or not parse_ip(address):
        return
    cluster = clusters.pipe_cluster(names.METRICS_CLUSTER, proxy.agent_socket)
    parts.add(CLUSTER, names.METRICS_CLUSTER, cluster)
    listener = listeners.metrics_listener(
        address, effective.port.value, effective.path.value, ipv6=proxy.ipv6
    )
    parts.add(LISTENER, names.METRICS_LISTENER, listener, [(CLUSTER, names.METRICS_CLUSTER)])
