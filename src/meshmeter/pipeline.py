"""The whole control-plane computation on one page.

    MeshView ── effective_metrics ──┬── mads.build_assignment   what Prometheus finds
                                    ├── agent_config.build      what the agent scrapes
                                    └── envoy.build_snapshot    what Envoy serves

The reconciler, the CLI and the tests all call these functions; nothing else combines the projections.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from meshmeter import agent_config
from meshmeter.effective.addresses import IPNetwork
from meshmeter.effective.credentials import NO_CREDENTIALS, Credentials
from meshmeter.effective.metrics import EffectiveMetrics, effective_metrics
from meshmeter.effective.view import MeshView
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.envoy.snapshot import build_snapshot
from meshmeter.mads.assignments import MonitoringAssignment, build_assignment
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.resource import Resource
from meshmeter.scrape.config import ScrapeConfig
from meshmeter.xds.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class CompiledProxy:
    """Everything that follows for one Dataplane from its mesh."""

    dataplane: Resource[DataplaneSpec]
    effective: EffectiveMetrics | None
    """None when metrics are off for this proxy."""
    assignment: MonitoringAssignment | None
    agent_config: ScrapeConfig
    snapshot: Snapshot | None
    """None until a proxy has said where its sockets are."""


def compile_proxy(
    view: MeshView,
    dataplane: Resource[DataplaneSpec],
    proxy: ProxyInfo | None,
    *,
    allowed_networks: Sequence[IPNetwork] = (),
    credentials: Credentials = NO_CREDENTIALS,
) -> CompiledProxy:
    """The projections of one Dataplane. `proxy` is what its agent told of itself, None if it never connected.

    Without an identity in `credentials` nothing opens that needs one.
    """
    effective = effective_metrics(
        view.mesh,
        dataplane,
        allowed_networks=allowed_networks,
        permissions=view.permissions,
        credentials=credentials,
    )
    return CompiledProxy(
        dataplane=dataplane,
        effective=effective,
        assignment=build_assignment(dataplane, effective),
        agent_config=agent_config.build(dataplane, effective, allowed_networks=allowed_networks),
        snapshot=build_snapshot(view, dataplane, effective, proxy, credentials=credentials)
        if proxy
        else None,
    )


def compile_mesh(
    view: MeshView,
    proxies: Mapping[str, ProxyInfo],
    *,
    allowed_networks: Sequence[IPNetwork] = (),
    credentials: Mapping[str, Credentials] = MappingProxyType({}),
) -> dict[str, CompiledProxy]:
    """The projections of every Dataplane of a mesh, by name. `proxies` holds those that have connected."""
    return {
        name: compile_proxy(
            view,
            dataplane,
            proxies.get(name),
            allowed_networks=allowed_networks,
            credentials=credentials.get(name, NO_CREDENTIALS),
        )
        for name, dataplane in view.dataplanes.items()
    }
