"""Trust: what the reconciler asks of who signs for the meshes.

A protocol, since those who sign are a room beside this one: neither imports the other.
"""

from __future__ import annotations

from typing import Protocol

from meshmeter.effective.credentials import Credentials
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import ProxyKey, Resource


class Trust(Protocol):
    """Who signs for the meshes; `mesh_trust.MeshTrust` is one."""

    async def prepare(self, mesh: Resource[MeshSpec]) -> None:
        """Have the authority that the Mesh names now."""
        ...

    def credentials(self, mesh: Resource[MeshSpec], dataplane: Resource[DataplaneSpec]) -> Credentials:
        """The identity of a proxy, or why there is none."""
        ...

    def without_identity(self, mesh: str) -> Credentials:
        """What there is to say of the authority, for a proxy that never connected."""
        ...

    def forget_mesh(self, mesh: str) -> None:
        """There is no such Mesh any more."""
        ...

    def forget_proxy(self, key: ProxyKey) -> None:
        """There is no such Dataplane any more."""
        ...
