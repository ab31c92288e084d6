"""How the metrics endpoint is protected: the effective `tls.mode` and what it comes to (kuma-facts 2.3)."""

from __future__ import annotations

from enum import StrEnum

from meshmeter.effective.origin import Sourced
from meshmeter.effective.precedence import ConfLayer, builtin, resolve
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.metrics import TlsMode


class Transport(StrEnum):
    """What actually protects the endpoint, after the Mesh's mTLS state is taken into account."""

    PLAIN = "plain"
    MTLS = "mtls"
    PROVIDED_TLS = "provided-tls"


def tls_mode(layers: tuple[ConfLayer, ...]) -> Sourced[TlsMode]:
    """The mode in force. Within one layer `tls` wins over `skipMTLS`, whose `true` reads `disabled`."""
    return resolve(builtin(TlsMode.ACTIVE_MTLS_BACKEND), (_written_mode(layer) for layer in layers))


def _written_mode(layer: ConfLayer) -> Sourced[TlsMode] | None:
    tls, skip = layer.conf.tls, layer.conf.skip_mtls
    if tls is not None:
        if tls.mode is None:
            return layer.at("tls", TlsMode.ACTIVE_MTLS_BACKEND)
        return layer.at("tls.mode", tls.mode)
    if skip is not None:
        return layer.at("skipMTLS", TlsMode.DISABLED if skip else TlsMode.ACTIVE_MTLS_BACKEND)
    return None


def mtls_enabled(mesh: MeshSpec) -> bool:
    """True if the Mesh asks for mTLS, also when the backend it names is missing: that must not open
    anything."""
    return bool(mesh.mtls and mesh.mtls.enabled_backend)


def permissive(mesh: MeshSpec) -> bool:
    """Whether inbounds accept plain traffic beside that of the mesh. The metrics endpoint never does."""
    backend = mesh.mtls.enabled() if mesh.mtls else None
    return backend is not None and backend.mode == "PERMISSIVE"


def transport_of(mesh: MeshSpec, mode: TlsMode) -> Transport:
    """What `mode` comes to in `mesh`: without mTLS an active backend protects nothing."""
    match mode:
        case TlsMode.PROVIDED_TLS:
            return Transport.PROVIDED_TLS
        case TlsMode.ACTIVE_MTLS_BACKEND if mtls_enabled(mesh):
            return Transport.MTLS
        case _:
            return Transport.PLAIN
