"""`effective_metrics`: the metrics settings in force for one Dataplane (design 4, deviations D1-D4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from meshmeter.addresses import IPNetwork
from meshmeter.effective.aggregates import DEFAULT_PATH, EffectiveAggregate, join_aggregates
from meshmeter.effective.checks import (
    check_aggregate,
    credential_findings,
    listener_findings,
    neighbour_findings,
    proxy_findings,
)
from meshmeter.effective.credentials import Credentials
from meshmeter.effective.findings import UNLISTED, Finding
from meshmeter.effective.interfaces import listen_address, own_addresses, reachable_address
from meshmeter.effective.labels import label_findings
from meshmeter.effective.origin import Layer, Origin, Sourced
from meshmeter.effective.own_ports import NO_PORTS, OwnPorts
from meshmeter.effective.pod_annotations import PodAnnotations
from meshmeter.effective.precedence import builtin, conf_layers, resolve, unite
from meshmeter.effective.transport import Transport, tls_mode, transport_of
from meshmeter.resources.dataplane import SERVICE_TAG, DataplaneSpec
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.metrics import EnvoyMetrics, TlsMode
from meshmeter.resources.resource import Resource
from meshmeter.resources.traffic_permission import TrafficPermissionSpec

__all__ = ["EffectiveAggregate", "EffectiveMetrics", "Transport", "effective_metrics"]

DEFAULT_PORT = 5670
DEFAULT_TAGS: Mapping[str, str] = MappingProxyType({SERVICE_TAG: "dataplane-metrics"})


@dataclass(frozen=True, slots=True)
class EffectiveMetrics:
    """Everything that holds for one Dataplane's metrics endpoint."""

    mesh: str
    dataplane: str
    backend: str
    port: Sourced[int]
    path: Sourced[str]
    tags: Sourced[Mapping[str, str]]
    tls_mode: Sourced[TlsMode]
    transport: Transport
    filter_regex: Sourced[str | None]
    """None and the empty string both mean: no filter. The empty one is how a Dataplane removes the Mesh's."""
    used_only: Sourced[bool]
    application_label: Sourced[str | None]
    """None and the empty string both mean: no label. The empty one is how a Dataplane removes the Mesh's."""
    agent_metrics: Sourced[bool]
    aggregate: tuple[EffectiveAggregate, ...]
    """In declared order: the Mesh's entries, then those only the Dataplane has."""
    findings: tuple[Finding, ...] = ()

    @property
    def sources(self) -> tuple[EffectiveAggregate, ...]:
        """The entries that are scraped: enabled, with a port, and not refused."""
        return tuple(
            entry
            for entry in self.aggregate
            if entry.enabled.value
            and (entry.port.value is not None or entry.option("unixSocket"))
            and entry.refused is None
        )

    @property
    def serves(self) -> bool:
        """False when a finding forbids the listener (port conflict, unusable TLS)."""
        return not any(f.severity == "refused" and f.scope == "listener" for f in self.findings)

    @property
    def listed(self) -> bool:
        """Whether others are told of the endpoint. One that is refused is, and shows as down, unless its address and
        port lead to somebody else."""
        return not any(found.code in UNLISTED for found in self.findings)


def effective_metrics(
    mesh: Resource[MeshSpec],
    dataplane: Resource[DataplaneSpec],
    *,
    allowed_networks: Sequence[IPNetwork] = (),
    permissions: Sequence[Resource[TrafficPermissionSpec]] | None = None,
    credentials: Credentials | None = None,
    own_ports: OwnPorts = NO_PORTS,
    neighbours: Sequence[Resource[DataplaneSpec]] = (),
) -> EffectiveMetrics | None:
    """The settings in force with the origin of each and all findings, or None when metrics are off for this
    proxy.

    `allowed_networks` are those beyond loopback and the Dataplane's own addresses that aggregate entries may
    point into. `permissions` are the mesh's; without them (None) nothing is said about who may scrape.
    `credentials` are the proxy's; without them (None) it is taken to have what it needs. `own_ports` are those of the
    control plane, `neighbours` the other Dataplanes with the addresses of this one.
    """
    found = conf_layers(mesh, dataplane)
    if found is None:
        return None
    layers = found.layers
    envoy = [(layer, layer.conf.envoy or EnvoyMetrics()) for layer in layers]
    no_filter: Sourced[str | None] = builtin(None)
    no_label: Sourced[str | None] = builtin(None)
    port = resolve(builtin(DEFAULT_PORT), [layer.at("port", layer.conf.port) for layer in layers])
    mode = tls_mode(layers)
    transport = transport_of(mesh.spec, mode.value)
    tags = unite(builtin(DEFAULT_TAGS), layers)
    own_address = Sourced(
        listen_address(dataplane.spec),
        Origin(Layer.DEFAULT, f"Dataplane {dataplane.mesh}/{dataplane.name}", "networking.address"),
    )
    own = own_addresses(dataplane.spec)
    aggregate = tuple(
        _of_pod(
            check_aggregate(entry, dataplane.spec, port.value, allowed_networks, own_ports, own=own),
            found.pod,
        )
        for entry in join_aggregates(layers, own_address)
    )
    refused = tuple(entry.refused for entry in aggregate if entry.refused is not None)
    return EffectiveMetrics(
        mesh=mesh.name,
        dataplane=dataplane.name,
        backend=found.backend,
        port=port,
        path=resolve(builtin(DEFAULT_PATH), [layer.at("path", layer.conf.path) for layer in layers]),
        tags=tags,
        tls_mode=mode,
        transport=transport,
        filter_regex=resolve(
            no_filter, [layer.at("envoy.filterRegex", conf.filter_regex) for layer, conf in envoy]
        ),
        used_only=resolve(
            builtin(False), [layer.at("envoy.usedOnly", conf.used_only) for layer, conf in envoy]
        ),
        application_label=resolve(
            no_label, [layer.at("applicationLabel", layer.conf.application_label) for layer in layers]
        ),
        agent_metrics=resolve(
            builtin(False), [layer.at("agentMetrics", layer.conf.agent_metrics) for layer in layers]
        ),
        aggregate=aggregate,
        findings=(
            *listener_findings(dataplane.spec, port, own_ports),
            *neighbour_findings(dataplane, port, neighbours),
            *(
                credential_findings(
                    mesh.spec, transport, mode, credentials, reachable_address(dataplane.spec)
                )
                if credentials
                else ()
            ),
            *refused,
            *(said for said in found.pod.findings if said not in refused),
            *proxy_findings(mesh.spec, layers, transport, mode, tags, permissions),
            *label_findings(dataplane),
        ),
    )


def _of_pod(entry: EffectiveAggregate, pod: PodAnnotations) -> EffectiveAggregate:
    """The entry, refused if it is enabled and an annotation of it cannot be read: whatever else it says, it is not what
    was asked for (deviations D4)."""
    if not entry.enabled.value:
        return entry
    return replace(entry, refused=pod.refused.get(entry.name) or pod.told(entry.name, entry.refused))
