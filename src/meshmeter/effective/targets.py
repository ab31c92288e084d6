"""Targets of the metrics proxy: where and how a Prometheus behind a sidecar reaches the other proxies of its mesh."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from meshmeter.addresses import is_metadata
from meshmeter.effective.interfaces import reachable_address
from meshmeter.effective.metrics import EffectiveMetrics
from meshmeter.effective.transport import Transport
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.resource import Resource


@dataclass(frozen=True, slots=True, order=True)
class MetricsTarget:
    """The metrics endpoint of one proxy, as others reach it."""

    address: str
    """IP address or host name."""
    port: int
    path: str
    transport: Transport


def metrics_target(dataplane: Resource[DataplaneSpec], effective: EffectiveMetrics) -> MetricsTarget:
    """The endpoint of one proxy, open or not: one that is refused has to show up as down, not vanish."""
    return MetricsTarget(
        reachable_address(dataplane.spec), effective.port.value, effective.path.value, effective.transport
    )


def proxied(targets: Iterable[MetricsTarget]) -> Iterator[MetricsTarget]:
    """Those that a Prometheus scrapes through its sidecar, each once and in order.

    A target with provided TLS is not among them: Prometheus speaks TLS to it from end to end. Nor is an address where
    a cloud's metadata service answers.
    """
    for target in sorted(set(targets)):
        if target.transport is not Transport.PROVIDED_TLS and not is_metadata(target.address):
            yield target
