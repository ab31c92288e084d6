"""`effective_metrics`: the metrics settings in force for one Dataplane (design 4, deviations D1-D3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from meshmeter.effective.findings import Finding
from meshmeter.effective.origin import Sourced
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.metrics import TlsMode
from meshmeter.resources.resource import Resource


class Transport(StrEnum):
    """What actually protects the endpoint, after the Mesh's mTLS state is taken into account."""

    PLAIN = "plain"
    MTLS = "mtls"
    PROVIDED_TLS = "provided-tls"


@dataclass(frozen=True, slots=True)
class EffectiveAggregate:
    """One application endpoint after joining Mesh and Dataplane by name. Disabled ones are kept here for
    `explain`; `EffectiveMetrics.sources` leaves them out."""

    name: str
    enabled: Sourced[bool]
    port: Sourced[int | None]
    """None is a finding on this entry, which is then not scraped."""
    path: Sourced[str]
    address: Sourced[str]


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
    used_only: Sourced[bool]
    aggregate: tuple[EffectiveAggregate, ...]
    """In declared order: the Mesh's entries, then those only the Dataplane has."""
    findings: tuple[Finding, ...] = ()

    @property
    def sources(self) -> tuple[EffectiveAggregate, ...]:
        """The entries that are scraped: enabled and with a port."""
        return tuple(e for e in self.aggregate if e.enabled.value and e.port.value is not None)

    @property
    def serves(self) -> bool:
        """False when a finding forbids the listener (port conflict, unusable TLS)."""
        return not any(f.severity == "refused" and f.scope == "listener" for f in self.findings)


def effective_metrics(
    mesh: Resource[MeshSpec], dataplane: Resource[DataplaneSpec]
) -> EffectiveMetrics | None:
    """The settings in force, or None when metrics are off for this proxy."""
    raise NotImplementedError
