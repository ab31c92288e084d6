"""Preparation: has the authority of a mesh ready before anything of the mesh is compiled.

One that takes long, on a dead drive say, holds back its own mesh and no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Set

from meshmeter.controlplane.reconcile.mtls_switch import MtlsSwitch
from meshmeter.controlplane.reconcile.trust import Trust
from meshmeter.effective.view import MeshView
from meshmeter.resources.resource import ProxyKey


class Preparation:
    """Of all meshes. One event loop only."""

    def __init__(
        self,
        trust: Trust | None,
        switch: MtlsSwitch,
        view: Callable[[str], MeshView | None],
        mark: Callable[[set[ProxyKey], Set[str]], None],
    ):
        """`mark` is told the proxies that wait no longer, and the meshes that are to be prepared once more. Without
        `trust` there is nothing to prepare."""
        self._trust = trust
        self._switch = switch
        self._view = view
        self._mark = mark
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._held: set[ProxyKey] = set()

    async def prepare(self, meshes: Set[str], tasks: asyncio.TaskGroup, timeout: float) -> None:
        """Begin with these meshes, and wait `timeout` seconds for all that are under way."""
        self._forget_done()
        for mesh in sorted(meshes):
            if mesh in self._under_way:
                self._again.add(mesh)
            elif self._trust is not None:
                prepare = self._prepare(mesh, self._trust)
                self._under_way[mesh] = tasks.create_task(prepare, name=f"prepare {mesh}")
        if self._under_way:
            await asyncio.wait(self._under_way.values(), timeout=timeout)
        self._forget_done()

    def hold(self, proxies: Set[ProxyKey]) -> set[ProxyKey]:
        """Those of the proxies that have to wait for the authorities of their meshes; they are marked later."""
        held = {key for key in proxies if key[0] in self._under_way}
        self._held |= held
        return held

    @property
    def held(self) -> Set[ProxyKey]:
        """All that wait."""
        return self._held

    def _forget_done(self) -> None:
        self._under_way = {mesh: task for mesh, task in self._under_way.items() if not task.done()}

    async def _prepare(self, mesh: str, trust: Trust) -> None:
        view = self._view(mesh)
        if view is None:
            trust.forget_mesh(mesh)
            self._switch.forget(mesh)
        else:
            self._switch.stage(view.mesh, has_proxies=bool(view.dataplanes))
            await trust.prepare(self._switch.signing(view.mesh))
        held = {key for key in self._held if key[0] == mesh}
        self._held -= held
        again = {mesh} & self._again
        self._again -= again
        self._mark(held, again)
