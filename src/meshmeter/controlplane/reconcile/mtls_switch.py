"""MtlsSwitch: takes a mesh from one stage of mTLS to another without a lost request.

When a Mesh asks for another stage (`effective.tls_stage`), its proxies are led there rung by rung: the next one is
taken when every connected proxy has had for a moment what belongs to this one, or after ten seconds, so that a proxy
that is stuck holds nobody up. While a mesh descends its proxies need identities, though the Mesh says that mTLS is off:
`signing` is the Mesh by which they get them.

The metrics endpoint does not take part: it is protected at once, or open at once, as the Mesh says. After a restart of
the control plane every mesh is where it is to be. So is one without Dataplanes, at once: it has no request to lose, and
whoever joins it later is never open to what the Mesh forbids.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from meshmeter.effective.tls_stage import TlsStage, tls_stage
from meshmeter.effective.transport import mtls_enabled
from meshmeter.resources.mesh import MeshSpec, Mtls
from meshmeter.resources.resource import Resource

log = logging.getLogger(__name__)

HOLD = 0.5
"""Seconds for which all proxies have to be in step: what Envoy has taken over is in use by then."""

LONGEST = 10.0
"""Seconds that a stage may take."""

LOOK = 0.1
"""Seconds between two looks whether proxies are in step."""


@dataclass(slots=True)
class _Mesh:
    stage: TlsStage
    target: TlsStage
    since: float
    """When the stage began."""
    mtls: Mtls | None = None
    """As it was while it was on."""
    in_step_since: float | None = None


class MtlsSwitch:
    """By mesh. One event loop only."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ):
        self._clock = clock
        self._sleep = sleep
        self._meshes: dict[str, _Mesh] = {}

    def stage(self, mesh: Resource[MeshSpec], *, has_proxies: bool = True) -> TlsStage:
        """Where the mesh is, on its way to what it asks for; without proxies it is there."""
        target = tls_stage(mesh.spec)
        known = self._meshes.get(mesh.name)
        if known is None:
            known = self._meshes[mesh.name] = _Mesh(target, target, self._clock())
        if mtls_enabled(mesh.spec):
            known.mtls = mesh.spec.mtls
        rests = known.stage is known.target
        known.target = target
        if not has_proxies:
            known.stage = target
        elif rests and known.stage is not target:
            self._step(mesh.name, known)
        return known.stage

    def signing(self, mesh: Resource[MeshSpec]) -> Resource[MeshSpec]:
        """The Mesh by which identities are made: with the mTLS of before while that is being switched off."""
        known = self._meshes.get(mesh.name)
        if mtls_enabled(mesh.spec) or known is None or known.mtls is None or not known.stage.accepts_mtls:
            return mesh
        return replace(mesh, spec=mesh.spec.model_copy(update={"mtls": known.mtls}))

    def forget(self, mesh: str) -> None:
        """There is no such Mesh any more."""
        self._meshes.pop(mesh, None)

    def advance(self, in_step: Callable[[str], bool]) -> list[str]:
        """The meshes that have reached another stage, whose proxies are to be compiled again.

        `in_step`: whether all connected proxies of a mesh have everything that they are to have.
        """
        now = self._clock()
        return [name for name, mesh in self._meshes.items() if self._advance(name, mesh, in_step, now)]

    def _advance(self, name: str, mesh: _Mesh, in_step: Callable[[str], bool], now: float) -> bool:
        if mesh.stage is mesh.target:
            return False
        if not in_step(name):
            mesh.in_step_since = None
        elif mesh.in_step_since is None:
            mesh.in_step_since = now
        settled = mesh.in_step_since is not None and now - mesh.in_step_since >= HOLD
        if not settled and now - mesh.since < LONGEST:
            return False
        if not settled:
            log.warning("mesh %s: not every proxy has followed within %.0f s, going on", name, LONGEST)
        self._step(name, mesh)
        return True

    def _step(self, name: str, mesh: _Mesh) -> None:
        mesh.stage = mesh.stage.towards(mesh.target)
        mesh.since, mesh.in_step_since = self._clock(), None
        log.info("mesh %s: mTLS is %s, and is to be %s", name, mesh.stage.name, mesh.target.name)

    async def run(self, in_step: Callable[[str], bool], moved: Callable[[str], None]) -> None:
        """Lead meshes on until cancelled; `moved` is told of each that has reached another stage."""
        while True:
            await self._sleep(LOOK)
            for name in self.advance(in_step):
                moved(name)
