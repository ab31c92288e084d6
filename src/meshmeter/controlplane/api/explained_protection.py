"""What `explain` says of a metrics endpoint's protection: what it speaks, why that, and who may scrape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meshmeter.controlplane.api.explained_state import time_text
from meshmeter.effective.access import admitted_sources, select_permission
from meshmeter.effective.credentials import ProvidedCertificate
from meshmeter.effective.metrics import EffectiveMetrics
from meshmeter.effective.transport import Transport, mtls_enabled
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.metrics import TlsMode
from meshmeter.resources.resource import Resource
from meshmeter.resources.traffic_permission import TrafficPermissionSpec


def scheme(effective: EffectiveMetrics) -> str:
    """What the endpoint speaks. Discovery tells a Prometheus inside the mesh otherwise: its sidecar makes TLS of it."""
    return "http" if effective.transport is Transport.PLAIN else "https"


def tls_json(
    mesh: Resource[MeshSpec], effective: EffectiveMetrics, provided: ProvidedCertificate | None = None
) -> dict[str, Any]:
    """What protects the endpoint, and why that; with providedTLS also what the agent says of the certificate."""
    mode = effective.tls_mode.value
    if mode is TlsMode.DISABLED:
        reason = "tls.mode is disabled: plain HTTP, whatever the Mesh's mTLS"
    elif mode is TlsMode.PROVIDED_TLS:
        reason = "tls.mode is providedTLS: HTTPS with the certificate the proxy is started with"
    elif mtls_enabled(mesh.spec):
        reason = (
            f"tls.mode is {mode} and the Mesh has mTLS: HTTPS with the proxy's certificate of the mesh, and only "
            "certificates of the mesh are let in"
        )
    else:
        reason = f"tls.mode is {mode} and the Mesh has no mTLS: plain HTTP"
    answer = {"mode": str(mode), "transport": str(effective.transport), "reason": reason}
    if mode is TlsMode.PROVIDED_TLS and provided is not None:
        certificate = {
            "state": str(provided.state),
            "detail": provided.detail,
            "notAfter": time_text(provided.not_after),
        }
        return answer | {"certificate": certificate}
    return answer


def _why_open(effective: EffectiveMetrics) -> str:
    """Why no TrafficPermission holds for the endpoint."""
    mode = effective.tls_mode.value
    if mode is TlsMode.ACTIVE_MTLS_BACKEND:
        return "TrafficPermission needs the mesh's mTLS"
    if mode is TlsMode.PROVIDED_TLS:
        return "with providedTLS scrapers show no certificate of the mesh, so TrafficPermission has no effect"
    return "with tls.mode disabled scrapers show no certificate, so TrafficPermission has no effect"


def access_json(
    permissions: Sequence[Resource[TrafficPermissionSpec]], effective: EffectiveMetrics
) -> dict[str, Any]:
    """Who may scrape: everybody, or the sources of the TrafficPermission that holds for the endpoint's tags."""
    if effective.transport is not Transport.MTLS:
        reason = f"whoever reaches the port may scrape: {_why_open(effective)}"
        return {"restricted": False, "permission": None, "sources": [], "reason": reason}
    permission = select_permission(permissions, effective.tags.value)
    tags = ", ".join(f"{k}={v}" for k, v in sorted(effective.tags.value.items()))
    if permission is None:
        reason = f"nobody may scrape: no TrafficPermission has a destination that matches {tags}"
        return {"restricted": True, "permission": None, "sources": [], "reason": reason}
    return {
        "restricted": True,
        "permission": permission.name,
        "sources": [dict(source) for source in admitted_sources(permission)],
        "reason": f"TrafficPermission {permission.name} holds for {tags}",
    }
