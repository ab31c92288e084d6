"""The reconciler: follows the store, recompiles what a change touches, and publishes the three projections.

Store events go into the `ResourceIndex`; the proxies they touch become dirty; after a short settling time each dirty
proxy is compiled once and its results are published, but only where they differ from what is out already. While the
store is away everything published stays as it is (design 8).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import replace
from datetime import datetime
from functools import partial
from ipaddress import IPv4Network, IPv6Network

from meshmeter.controlplane.reconcile.compile_work import CompileWork
from meshmeter.controlplane.reconcile.known_proxies import KnownProxies
from meshmeter.controlplane.reconcile.mtls_switch import MtlsSwitch
from meshmeter.controlplane.reconcile.preparation import Preparation
from meshmeter.controlplane.reconcile.published import Published
from meshmeter.controlplane.reconcile.resource_index import ResourceIndex
from meshmeter.controlplane.reconcile.results import Results
from meshmeter.controlplane.reconcile.store_follower import StoreFollower
from meshmeter.controlplane.reconcile.targets import Targets
from meshmeter.controlplane.reconcile.trust import Trust
from meshmeter.effective.credentials import ProvidedCertificate
from meshmeter.effective.findings import Finding, finding
from meshmeter.effective.own_ports import NO_PORTS, OwnPorts
from meshmeter.effective.view import MeshView
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.mads.assignments import AssignmentSnapshot
from meshmeter.pipeline import CompiledProxy, compile_proxy
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.mesh import KIND as MESH
from meshmeter.resources.resource import AnyResource, Key, ProxyKey, Resource
from meshmeter.scrape.config import ScrapeConfig
from meshmeter.store.base import Store
from meshmeter.xds.cache import SnapshotCache

log = logging.getLogger(__name__)

SETTLE = 0.02
"""Seconds to wait for more changes before compiling; a burst of changes is then compiled once."""

PREPARE_TIMEOUT = 0.05
"""Seconds that all meshes wait for the authority of one that changed; usually it is there at once."""

START_PREPARE_TIMEOUT = 2.0
"""The same at the start, when nothing is published yet."""

RETRY = 1.0
"""Seconds between attempts to read a store that is away."""


class Reconciler:
    """Owns the index and the published results. One event loop only."""

    def __init__(
        self,
        store: Store,
        cache: SnapshotCache,
        *,
        trust: Trust | None = None,
        switch: MtlsSwitch | None = None,
        allowed_networks: Sequence[IPv4Network | IPv6Network] = (),
        own_ports: OwnPorts = NO_PORTS,
        retry: float = RETRY,
        on_compiled: Callable[[float, int], None] = lambda _seconds, _proxies: None,
    ):
        """Without `trust` nobody has an identity, and what needs one stays closed."""
        self._trust = trust
        self._switch = switch or MtlsSwitch()
        self._compile_proxy = partial(
            compile_proxy, allowed_networks=tuple(allowed_networks), own_ports=own_ports
        )
        self._on_compiled = on_compiled
        self._work = CompileWork()
        self._index = ResourceIndex()
        self._known = KnownProxies(trust)
        self._results = Results(cache)
        self._targets = Targets()
        self._dirty: set[ProxyKey] = set()
        self._dirty_meshes: set[str] = set()
        self._compiling: set[ProxyKey] = set()
        self._preparation = Preparation(trust, self._switch, self.view, self._mark)
        self._wake = asyncio.Event()
        self.ready = asyncio.Event()
        """Set once everything in the store has been compiled and published."""
        self.following = StoreFollower(store, take_over=self._take_over, apply=self._apply, retry=retry)

    # What others read

    def view(self, mesh: str) -> MeshView | None:
        """The mesh as it is now, or None if there is no such Mesh."""
        return self._index.view(mesh)

    def compiled(self, mesh: str, name: str) -> CompiledProxy | None:
        """The latest results for one Dataplane, or None if there is none (yet)."""
        return self._results.compiled((mesh, name))

    def outcome(self, dataplane: Resource[DataplaneSpec]) -> CompiledProxy | None:
        """The latest results for a Dataplane. For one that waits to be compiled for the first time: what is known now,
        as for a proxy that never connected. None if there is no such Mesh."""
        if not self._index.has_mesh(dataplane.mesh):
            return None
        compiled = self.compiled(dataplane.mesh, dataplane.name)
        if compiled is not None:
            return compiled
        view = self._index.view(dataplane.mesh)
        return self._compile_proxy(view, dataplane, None) if view is not None else None

    def mesh_findings(self, mesh: str) -> Iterator[Finding]:
        """What is wrong with a mesh whether it has proxies or not."""
        yield from self.following.unreadable_resources(mesh)
        if self._trust is None:
            return
        found = self._trust.without_identity(mesh)
        if found.authority_fault:
            yield finding(
                "mesh-ca-unusable",
                f"the certificate authority of the mesh cannot be used: {found.authority_fault}",
            )
        elif found.authority_warning:
            yield finding(
                "mesh-ca-outdated", f"the authority of before stays in force: {found.authority_warning}"
            )

    def dataplane(self, mesh: str, name: str) -> Resource[DataplaneSpec] | None:
        """The Dataplane as it is stored, compiled or not; None if there is none, or its proxy is away."""
        return self._index.dataplane((mesh, name))

    def dataplanes(self) -> list[Resource[DataplaneSpec]]:
        """Every Dataplane there is."""
        found = (self._index.dataplane(key) for key in self._index.proxies())
        return [dataplane for dataplane in found if dataplane is not None]

    def agent_config(self, mesh: str, name: str) -> Published[ScrapeConfig | None]:
        """The agent's configuration, to read and to wait on; its value is None while there is no such Dataplane."""
        return self._results.agent_config((mesh, name))

    @property
    def assignments(self) -> Published[AssignmentSnapshot]:
        """What Prometheus finds, to read and to wait on."""
        return self._results.assignments

    def away(self) -> str | None:
        """What there is to say of a store that is away."""
        if not self.following.store_is_away:
            return None
        if not self.ready.is_set():
            return "away since the start, and there is nothing to serve yet"
        return f"away, serving what was known {self.following.age():.0f} s ago"

    # What others tell

    def proxy_connected(self, proxy: ProxyInfo) -> None:
        """A proxy told where its sockets and files are: give it a snapshot."""
        if self._known.connected(proxy):
            self._mark({(proxy.mesh, proxy.dataplane)})

    def proxy_gone(self, mesh: str, name: str) -> None:
        """The proxy has been away for long: forget where its sockets were."""
        self._known.forget((mesh, name))
        self._mark({(mesh, name)})

    def certificate_reported(self, mesh: str, name: str, certificate: ProvidedCertificate) -> None:
        """The agent told what the provided certificate is worth."""
        if self._known.certificate_reported((mesh, name), certificate):
            self._mark({(mesh, name)})

    def provided_certificates(self) -> dict[ProxyKey, datetime]:
        """When the provided certificates that proxies told of expire."""
        return self._known.certificate_expiries()

    def has_dataplane(self, key: ProxyKey) -> bool:
        """Whether there is such a Dataplane."""
        return self._index.dataplane(key) is not None

    def remembered(self) -> set[ProxyKey]:
        """Every proxy of which anything is kept beside its Dataplane."""
        return {*self._known, *self._results.awaited()}

    def forget_departed(self, key: ProxyKey) -> None:
        """Drop what is kept of a proxy that has no Dataplane and for which nobody waits any more."""
        if self.has_dataplane(key):
            return
        self._known.forget(key)
        self._results.forget_awaited(key)
        if self._trust is not None:
            self._trust.forget_proxy(key)

    def recompile(self, proxies: set[ProxyKey]) -> None:
        """Something besides the resources changed for these proxies."""
        self._mark(proxies)

    def in_step(self, mesh: str) -> bool:
        """Whether everything that is known of a mesh has been compiled and published."""
        waiting = self._dirty | self._preparation.held | self._compiling
        return not (mesh in self._dirty_meshes or any(key[0] == mesh for key in waiting))

    def restage(self, mesh: str) -> None:
        """The mesh has reached another stage of mTLS."""
        self._mark(self._proxies(mesh), {mesh})

    def recompile_mesh(self, mesh: str) -> None:
        """Something besides the resources changed for all proxies of a mesh."""
        self._mark(self._proxies(mesh))

    def _proxies(self, mesh: str) -> set[ProxyKey]:
        view = self._index.view(mesh)
        return {(mesh, name) for name in view.dataplanes} if view else set()

    # The loop

    async def run(self) -> None:
        """Follow the store until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.following.run(), name="reconciler: follow the store")
            tasks.create_task(self._compile(), name="reconciler: compile")

    def _apply(self, key: Key, resource: AnyResource | None) -> None:
        self._mark(self._index.apply(key, resource), {key.name} if key.kind == MESH else set())

    def _take_over(self, resources: Sequence[AnyResource]) -> None:
        index = ResourceIndex(resources)
        gone = set(self._index.meshes()) - set(index.meshes())
        self._index = index
        self._mark(set(index.proxies()) | self._results.proxies(), set(index.meshes()) | gone)
        if not self._dirty and not self._dirty_meshes:
            self.ready.set()

    def _mark(self, keys: set[ProxyKey], meshes: Set[str] = frozenset()) -> None:
        if keys or meshes:
            self._dirty |= keys
            self._dirty_meshes |= meshes
            self._wake.set()

    async def _compile(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._wake.wait()
                await asyncio.sleep(SETTLE)
                self._wake.clear()
                dirty, self._dirty = self._dirty, set()
                self._compiling = dirty
                meshes, self._dirty_meshes = self._dirty_meshes, set()
                timeout = PREPARE_TIMEOUT if self.ready.is_set() else START_PREPARE_TIMEOUT
                await self._preparation.prepare(meshes, tasks, timeout)
                await self._compile_all(dirty - self._preparation.hold(dirty))
                self._compiling = set()
                if not self._dirty and not self._dirty_meshes:
                    self.ready.set()

    async def _compile_all(self, dirty: set[ProxyKey]) -> None:
        started = time.monotonic()
        views = {mesh: self._staged(mesh) for mesh in {mesh for mesh, _ in dirty}}
        readers = self._targets.find_readers(views, dirty)
        for key in sorted(dirty - readers):
            readers |= await self._compile_one(views[key[0]], key)
            await asyncio.sleep(0)  # let streams and polls be answered between two proxies
        while readers:
            # After the others, whose targets they read.
            key = min(readers)
            readers.remove(key)
            readers |= await self._compile_one(views[key[0]], key)
            await asyncio.sleep(0)
        self._results.publish_assignments()
        self._on_compiled(time.monotonic() - started, len(dirty))

    def _staged(self, mesh: str) -> MeshView | None:
        """The mesh as it is now, with how far its mTLS is."""
        view = self._index.view(mesh)
        return replace(view, stage=self._switch.stage(view.mesh)) if view is not None else None

    async def _compile_one(self, view: MeshView | None, key: ProxyKey) -> set[ProxyKey]:
        """Compile and publish one proxy; the metrics proxies of its mesh if its target is another than before."""
        dataplane = view.dataplanes.get(key[1]) if view else None
        if view is None or dataplane is None:
            self._forget(key)
            return self._targets.take(key, None)
        try:
            work = partial(
                self._compile_proxy,
                view,
                dataplane,
                self._known.info(key),
                credentials=self._known.credentials(self._switch.signing(view.mesh), dataplane),
                targets=self._targets.of_others(key),
            )
            # Whatever changes meanwhile marks the proxy, which is then compiled once more.
            result = await self._work.run(key, dataplane.spec, work)
        except Exception:
            # A fault in the computation for one proxy must not cost the others; this one keeps what it has.
            log.exception("cannot compile the configuration of %s/%s, keeping the last one", *key)
            return set()
        self._results.publish(key, result)
        return self._targets.take(key, result.target)

    def _forget(self, key: ProxyKey) -> None:
        self._work.forget(key)
        self._results.withdraw(key)
        if self._trust is not None:
            self._trust.forget_proxy(key)
