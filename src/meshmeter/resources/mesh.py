"""Mesh: the unit of isolation, and the place of mesh-wide metrics settings (kuma-facts 1.4, 2)."""

from __future__ import annotations

from typing import Any

from meshmeter.resources.base import Model, Spec
from meshmeter.resources.metrics import PrometheusConf

KIND = "Mesh"


class MetricsBackend(Model):
    name: str | None = None
    type: str | None = None
    conf: PrometheusConf | None = None


class MeshMetrics(Model):
    enabled_backend: str | None = None
    """Empty or absent: metrics are off."""
    backends: tuple[MetricsBackend, ...] | None = None

    def enabled(self) -> MetricsBackend | None:
        """The backend in force, or None when metrics are off."""
        if not self.enabled_backend:
            return None
        return next((b for b in self.backends or () if b.name == self.enabled_backend), None)


class DpCertRotation(Model):
    expiration: str | None = None


class DpCert(Model):
    rotation: DpCertRotation | None = None
    request_timeout: str | None = None


class RootChain(Model):
    request_timeout: str | None = None


class MtlsBackend(Model):
    name: str | None = None
    type: str | None = None
    dp_cert: DpCert | None = None
    conf: dict[str, Any] | None = None
    mode: str | None = None
    root_chain: RootChain | None = None


class Mtls(Model):
    enabled_backend: str | None = None
    """Empty or absent: mTLS is off."""
    backends: tuple[MtlsBackend, ...] | None = None
    skip_validation: bool | None = None

    def enabled(self) -> MtlsBackend | None:
        """The CA backend in force, or None when mTLS is off."""
        if not self.enabled_backend:
            return None
        return next((b for b in self.backends or () if b.name == self.enabled_backend), None)


class MeshSpec(Spec):
    """Spec of a Mesh. The last six fields are accepted and kept but have no effect here."""

    mtls: Mtls | None = None
    metrics: MeshMetrics | None = None
    tracing: dict[str, Any] | None = None
    logging: dict[str, Any] | None = None
    networking: dict[str, Any] | None = None
    routing: dict[str, Any] | None = None
    constraints: dict[str, Any] | None = None
    skip_creating_initial_policies: tuple[str, ...] | None = None
    mesh_services: dict[str, Any] | None = None
