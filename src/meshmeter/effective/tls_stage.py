"""TlsStage: how far the services of a mesh speak mTLS with each other.

The stages are a ladder. Two proxies that are on neighbouring rungs still understand each other, so a mesh that climbs
or descends one rung at a time, and waits for all proxies on each, loses no request.
"""

from __future__ import annotations

from enum import IntEnum

from meshmeter.effective.transport import mtls_enabled, permissive
from meshmeter.resources.mesh import MeshSpec


class TlsStage(IntEnum):
    OFF = 0
    """Services are called in plain and accept nothing else."""
    ACCEPTING = 1
    """Services accept both and are still called in plain."""
    CALLING = 2
    """Services are called by mTLS and still accept both: mode PERMISSIVE."""
    STRICT = 3
    """Services accept nothing but mTLS."""

    @property
    def accepts_mtls(self) -> bool:
        return self is not TlsStage.OFF

    @property
    def accepts_plain(self) -> bool:
        return self is not TlsStage.STRICT

    @property
    def calls_by_mtls(self) -> bool:
        return self >= TlsStage.CALLING

    def towards(self, target: TlsStage) -> TlsStage:
        """The next stage on the way to another one; the same if it is that one."""
        return TlsStage(self + (target > self) - (target < self))


def tls_stage(mesh: MeshSpec) -> TlsStage:
    """What the Mesh asks for."""
    if not mtls_enabled(mesh):
        return TlsStage.OFF
    return TlsStage.CALLING if permissive(mesh) else TlsStage.STRICT
