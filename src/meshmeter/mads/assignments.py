"""Monitoring assignments: one per Dataplane with metrics on, each with one target (kuma-facts 7.3).

An assignment is listed whether or not its proxy serves at the moment: a proxy that refuses its listener has
to show up as `up == 0`, not vanish (deviations D12). Each assignment carries its JSON, made once and shared
by all answers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from meshmeter.addresses import host_port
from meshmeter.effective.interfaces import reachable_address
from meshmeter.effective.labels import target_labels
from meshmeter.effective.metrics import EffectiveMetrics
from meshmeter.effective.transport import Transport
from meshmeter.mads.services import services
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.metrics import TlsMode
from meshmeter.resources.resource import Resource

TYPE_URL = "type.googleapis.com/kuma.observability.v1.MonitoringAssignment"


@dataclass(frozen=True, slots=True)
class Target:
    """One endpoint to scrape."""

    name: str
    """Name of the Dataplane."""
    scheme: str
    """For a client whose sidecar adds the TLS of the mesh, as Kuma gives it."""
    address: str
    """Host and port; the host is empty if the Dataplane has none."""
    metrics_path: str
    labels: Mapping[str, str]
    transport: Transport = Transport.PLAIN

    @property
    def direct_scheme(self) -> str:
        """For a client that has a certificate of the mesh itself."""
        return "https" if self.transport is Transport.MTLS else self.scheme

    def to_json(self, *, direct: bool = False) -> dict[str, Any]:
        """Names of the wire; empty fields are left out. `direct` is for a client with a certificate of the mesh."""
        fields = {
            "name": self.name,
            "scheme": self.direct_scheme if direct else self.scheme,
            "address": self.address,
            "metrics_path": self.metrics_path,
            "labels": dict(self.labels),
        }
        return {name: value for name, value in fields.items() if value}


@dataclass(frozen=True)
class MonitoringAssignment:
    """What Prometheus is told about one Dataplane."""

    mesh: str
    service: str
    """The first of `services`."""
    services: tuple[str, ...]
    target: Target

    @property
    def name(self) -> str:
        """The resource name, `/meshes/<mesh>/dataplanes/<name>`."""
        return f"/meshes/{self.mesh}/dataplanes/{self.target.name}"

    def to_json(self, *, direct: bool = False) -> dict[str, Any]:
        return {
            "@type": TYPE_URL,
            "mesh": self.mesh,
            "service": self.service,
            "targets": [self.target.to_json(direct=direct)],
        }

    @cached_property
    def encoded(self) -> bytes:
        """`to_json` as canonical JSON, in ASCII."""
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":")).encode()

    @cached_property
    def encoded_direct(self) -> bytes:
        """The same for a client with a certificate of the mesh."""
        return json.dumps(self.to_json(direct=True), sort_keys=True, separators=(",", ":")).encode()

    @cached_property
    def digest(self) -> bytes:
        return hashlib.sha256(self.encoded + self.target.transport.encode()).digest()


def build_assignment(
    dataplane: Resource[DataplaneSpec], effective: EffectiveMetrics | None
) -> MonitoringAssignment | None:
    """The assignment of one Dataplane, or None when metrics are off for it or it names an endpoint of others."""
    if effective is None or not effective.listed:
        return None
    provided = services(dataplane)
    target = Target(
        name=dataplane.name,
        scheme="https" if effective.tls_mode.value is TlsMode.PROVIDED_TLS else "http",
        address=host_port(reachable_address(dataplane.spec), effective.port.value),
        metrics_path=effective.path.value,
        labels=target_labels(dataplane).labels,
        transport=effective.transport,
    )
    return MonitoringAssignment(dataplane.mesh, provided[0], provided, target)


@dataclass(frozen=True)
class AssignmentSnapshot:
    """All assignments at one time. Equal content has the same version in every control plane (deviations
    D20)."""

    version: str
    assignments: tuple[MonitoringAssignment, ...]


def build_snapshot(assignments: Iterable[MonitoringAssignment]) -> AssignmentSnapshot:
    """The snapshot of these assignments, in order of their names whatever the order given."""
    ordered = tuple(sorted(assignments, key=lambda a: (a.mesh, a.target.name)))
    version = hashlib.sha256()
    for assignment in ordered:
        version.update(assignment.digest)
    return AssignmentSnapshot(version.hexdigest()[:32], ordered)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which assignments a client may see and asked for; None does not restrict."""

    meshes: frozenset[str] | None = None
    service: str | None = None
    """Any of the Dataplane's services."""
    names: frozenset[str] | None = None
    provided_tls: bool = True
    """Whether targets with a certificate of their own are among them; no authority of a mesh verifies those."""

    def __contains__(self, assignment: MonitoringAssignment) -> bool:
        return (
            (self.provided_tls or assignment.target.transport is not Transport.PROVIDED_TLS)
            and _among(assignment.mesh, self.meshes)
            and _among(assignment.name, self.names)
            and (self.service is None or self.service in assignment.services)
        )


EVERYTHING = Selection()


def _among(value: str, allowed: Collection[str] | None) -> bool:
    return allowed is None or value in allowed


def select(snapshot: AssignmentSnapshot, selection: Selection) -> AssignmentSnapshot:
    """The part of a snapshot, with a version of its own: what is not selected never changes it."""
    if selection == EVERYTHING:
        return snapshot
    return build_snapshot(a for a in snapshot.assignments if a in selection)
