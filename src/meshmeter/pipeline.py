"""The whole control-plane computation on one page.

    MeshView ── effective_metrics ──┬── mads.build_assignment   what Prometheus finds
                                    ├── agent_config.build      what the agent scrapes
                                    └── envoy.build_snapshot    what Envoy serves

The reconciler calls it, and `explain` tells what came out; nothing else combines the projections.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from meshmeter import agent_config
from meshmeter.addresses import IPNetwork
from meshmeter.effective.credentials import NO_CREDENTIALS, Credentials, ProvidedCertificate
from meshmeter.effective.metrics import EffectiveMetrics, effective_metrics
from meshmeter.effective.own_ports import NO_PORTS, OwnPorts
from meshmeter.effective.targets import MetricsTarget, metrics_target
from meshmeter.effective.view import MeshView
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.envoy.snapshot import build_snapshot
from meshmeter.mads.assignments import MonitoringAssignment, build_assignment
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import Resource
from meshmeter.resources.traffic_permission import TrafficPermissionSpec
from meshmeter.scrape.config import ScrapeConfig
from meshmeter.xds.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class CompiledProxy:
    """Everything that follows for one Dataplane from its mesh."""

    mesh: Resource[MeshSpec]
    """The Mesh that it was compiled by."""
    permissions: tuple[Resource[TrafficPermissionSpec], ...]
    """Those of the mesh."""
    dataplane: Resource[DataplaneSpec]
    provided: ProvidedCertificate | None
    """What its agent told of the certificate for `providedTLS`."""
    effective: EffectiveMetrics | None
    """None when metrics are off for this proxy."""
    assignment: MonitoringAssignment | None
    agent_config: ScrapeConfig
    target: MetricsTarget | None
    """How the metrics proxies of the mesh reach it; None when metrics are off."""
    snapshot: Snapshot | None
    """None until a proxy has said where its sockets are."""


def compile_proxy(
    view: MeshView,
    dataplane: Resource[DataplaneSpec],
    proxy: ProxyInfo | None,
    *,
    allowed_networks: Sequence[IPNetwork] = (),
    credentials: Credentials = NO_CREDENTIALS,
    targets: Collection[MetricsTarget] = (),
    own_ports: OwnPorts = NO_PORTS,
) -> CompiledProxy:
    """The projections of one Dataplane. `proxy` is what its agent told of itself, None if it never connected.

    Without an identity in `credentials` nothing opens that needs one. `targets` are those of the other Dataplanes of
    the mesh; only one with `networking.metricsProxy` looks at them. `own_ports` are those of the control plane.
    """
    effective = effective_metrics(
        view.mesh,
        dataplane,
        allowed_networks=allowed_networks,
        permissions=view.permissions,
        credentials=credentials,
        own_ports=own_ports,
        neighbours=view.neighbours(dataplane),
    )
    target = metrics_target(dataplane, effective) if effective and effective.listed else None
    if target is not None and reads_targets(dataplane):
        targets = {*targets, target}
    return CompiledProxy(
        mesh=view.mesh,
        permissions=view.permissions,
        dataplane=dataplane,
        provided=credentials.provided,
        effective=effective,
        assignment=build_assignment(dataplane, effective),
        agent_config=agent_config.build(dataplane, effective, allowed_networks=allowed_networks),
        target=target,
        snapshot=build_snapshot(view, dataplane, effective, proxy, credentials=credentials, targets=targets)
        if proxy
        else None,
    )


def reads_targets(dataplane: Resource[DataplaneSpec]) -> bool:
    """Whether its snapshot depends on the targets of the mesh."""
    networking = dataplane.spec.networking
    return networking is not None and networking.metrics_proxy is not None
