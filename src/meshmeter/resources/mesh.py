"""Mesh: the unit of isolation, and the place of mesh-wide metrics settings (kuma-facts 1.4, 2)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from meshmeter.resources.base import Model, Spec
from meshmeter.resources.metrics import PrometheusConf

KIND = "Mesh"


class MetricsBackend(Model):
    """One named way to expose metrics."""

    name: str | None = None
    """What `enabledBackend` refers to."""
    type: str | None = None
    """`prometheus`."""
    conf: PrometheusConf | None = None
    """Settings of the endpoint; whatever is absent gets its default."""


class MeshMetrics(Model):
    """Metrics of every proxy of the mesh."""

    enabled_backend: str | None = None
    """Name of the backend in force. Empty or absent: metrics are off."""
    backends: tuple[MetricsBackend, ...] | None = None
    """The backends to choose from."""

    def enabled(self) -> MetricsBackend | None:
        """The backend in force, or None when metrics are off."""
        if not self.enabled_backend:
            return None
        return next((b for b in self.backends or () if b.name == self.enabled_backend), None)


class DpCertRotation(Model):
    """When the certificate of a proxy is renewed."""

    expiration: str | None = None
    """Lifetime of a certificate, one number and one unit: `24h`, `4d`, `2y`."""


class DpCert(Model):
    """Certificates of the proxies."""

    rotation: DpCertRotation | None = None
    """When they are renewed."""
    request_timeout: str | None = None
    """How long to wait for a certificate, e.g. `10s`."""


class RootChain(Model):
    """The certificate of the authority."""

    request_timeout: str | None = None
    """How long to wait for it, e.g. `10s`."""


class MtlsBackend(Model):
    """One certificate authority."""

    name: str | None = None
    """What `enabledBackend` refers to."""
    type: str | None = None
    """`builtin` (the control plane makes the authority) or `provided` (`conf` names certificate and key)."""
    dp_cert: DpCert | None = None
    """Certificates of the proxies."""
    conf: dict[str, Any] | None = Field(default=None, repr=False)
    """Settings of the authority; for `builtin`: `caCert` with `RSAbits` (absent: ECDSA) and `expiration` (absent: ten
    years); for `provided`: `cert` and `key`, each with one of `secret`, `file`, `inline`, `inlineString`."""
    mode: str | None = None
    """`STRICT` (only mTLS, the default) or `PERMISSIVE` (plain traffic too)."""
    root_chain: RootChain | None = None
    """The certificate of the authority."""


class Mtls(Model):
    """Mutual TLS between the proxies of the mesh."""

    enabled_backend: str | None = None
    """Name of the authority in force. Empty or absent: mTLS is off."""
    backends: tuple[MtlsBackend, ...] | None = None
    """The authority; at most one."""
    skip_validation: bool | None = None
    """True: the authority's settings are not checked."""

    def enabled(self) -> MtlsBackend | None:
        """The CA backend in force, or None when mTLS is off."""
        if not self.enabled_backend:
            return None
        return next((b for b in self.backends or () if b.name == self.enabled_backend), None)


class MeshSpec(Spec):
    """Spec of a Mesh. The last seven fields are accepted and kept but have no effect here."""

    mtls: Mtls | None = None
    """Mutual TLS between the proxies of the mesh."""
    metrics: MeshMetrics | None = None
    """Metrics of every proxy of the mesh."""
    tracing: dict[str, Any] | None = None
    """Kept, without effect."""
    logging: dict[str, Any] | None = None
    """Kept, without effect."""
    networking: dict[str, Any] | None = None
    """Kept, without effect."""
    routing: dict[str, Any] | None = None
    """Kept; `zoneEgress: true` needs mTLS."""
    constraints: dict[str, Any] | None = None
    """Kept, without effect."""
    skip_creating_initial_policies: tuple[str, ...] | None = None
    """Kept, without effect."""
    mesh_services: dict[str, Any] | None = None
    """Kept, without effect."""
