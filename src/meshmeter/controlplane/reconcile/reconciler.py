"""The reconciler: follows the store, recompiles what a change touches, and publishes the three projections.

Store events go into the `World`; the proxies they touch become dirty; after a short settling time each dirty proxy is
compiled once and its results are published, but only where they differ from what is out already. While the store is
away everything published stays as it is (design 8).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from meshmeter.controlplane.reconcile.compile_work import CompileWork
from meshmeter.controlplane.reconcile.mtls_switch import MtlsSwitch
from meshmeter.controlplane.reconcile.published import Published
from meshmeter.controlplane.reconcile.world import World
from meshmeter.effective.credentials import (
    NO_CREDENTIALS,
    CertificateState,
    Credentials,
    ProvidedCertificate,
)
from meshmeter.effective.findings import Finding, finding
from meshmeter.effective.own_ports import NO_PORTS, OwnPorts
from meshmeter.effective.targets import MetricsTarget
from meshmeter.effective.view import MeshView
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.errors import StoreUnavailable, WatchExpired
from meshmeter.mads.assignments import AssignmentSnapshot, MonitoringAssignment, build_snapshot
from meshmeter.pipeline import CompiledProxy, compile_proxy, reads_targets
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.mesh import KIND as MESH
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import Key, ProxyKey, Resource
from meshmeter.scrape.config import ScrapeConfig
from meshmeter.store.base import Store
from meshmeter.store.rows import printable
from meshmeter.xds.cache import SnapshotCache

log = logging.getLogger(__name__)

SETTLE = 0.02
"""Seconds to wait for more changes before compiling; a burst of changes is then compiled once."""

PATIENCE = 0.05
"""Seconds that all meshes wait for the authority of one that changed; usually it is there at once."""

START_PATIENCE = 2.0
"""The same at the start, when nothing is published yet."""

RETRY = 1.0
"""Seconds between attempts to read a store that is away."""


NOT_CONFIGURED = ProvidedCertificate(
    CertificateState.NOT_CONFIGURED,
    "tls.mode is providedTLS, and the proxy was started without the paths of a certificate and its key",
)


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


class Reconciler:
    """Owns the world picture and the published results. One event loop only."""

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
        self._store = store
        self._cache = cache
        self._trust = trust
        self._switch = switch or MtlsSwitch()
        self._allowed_networks = tuple(allowed_networks)
        self._own_ports = own_ports
        self._retry = retry
        self._on_compiled = on_compiled
        self._work = CompileWork()
        self._world = World()
        self._proxies: dict[ProxyKey, ProxyInfo] = {}
        self._compiled: dict[ProxyKey, CompiledProxy] = {}
        self._assignments: dict[ProxyKey, MonitoringAssignment] = {}
        self._agent_configs: dict[ProxyKey, Published[ScrapeConfig | None]] = {}
        self._certificates: dict[ProxyKey, ProvidedCertificate] = {}
        self._credentials: dict[ProxyKey, Credentials] = {}
        self._targets: defaultdict[str, dict[str, MetricsTarget]] = defaultdict(dict)
        """By mesh and name of the Dataplane."""
        self._readers: set[ProxyKey] = set()
        """Proxies whose snapshots depend on the targets of their meshes."""
        self._dirty: set[ProxyKey] = set()
        self._dirty_meshes: set[str] = set()
        self._preparing: dict[str, asyncio.Task[None]] = {}
        self._prepare_again: set[str] = set()
        self._compiling: set[ProxyKey] = set()
        self._held: set[ProxyKey] = set()
        """Proxies that wait for the authorities of their meshes."""
        self._wake = asyncio.Event()
        self.ready = asyncio.Event()
        """Set once everything in the store has been compiled and published."""
        self.assignments: Published[AssignmentSnapshot] = Published(build_snapshot(()))
        self.in_step_at = time.monotonic()
        """Monotonic time when the picture was last known to equal the store, before that of the start; its age is a
        metric."""
        self.store_is_away = False
        self.unreadable: dict[Key, str] = {}
        """What the store keeps and cannot read, each with the reason; everything else is served."""

    # What others read

    def view(self, mesh: str) -> MeshView | None:
        """The mesh as it is now, or None if there is no such Mesh."""
        return self._world.view(mesh)

    def compiled(self, mesh: str, name: str) -> CompiledProxy | None:
        """The latest results for one Dataplane, or None if there is none (yet)."""
        return self._compiled.get((mesh, name))

    def problems(self, mesh: str, name: str) -> tuple[str, ...]:
        """What could not be built of the proxy's Envoy configuration; empty also while it has none."""
        compiled = self._compiled.get((mesh, name))
        return compiled.snapshot.problems if compiled and compiled.snapshot else ()

    def credentials(self, mesh: str, name: str) -> Credentials:
        """What the proxy was compiled with, without its identity: that is for Envoy alone."""
        return self._credentials.get((mesh, name), NO_CREDENTIALS)

    def unreadable_resources(self, mesh: str | None = None) -> Iterator[Finding]:
        """What the store keeps and cannot read, of a mesh or of all."""
        for key, reason in sorted(self.unreadable.items()):
            if mesh is None or key.mesh == mesh:
                yield finding(
                    "resource-unreadable",
                    f"{printable(key)} is stored, cannot be read and is left out: {reason}",
                )

    def mesh_findings(self, mesh: str) -> Iterator[Finding]:
        """What is wrong with a mesh whether it has proxies or not."""
        yield from self.unreadable_resources(mesh)
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
        return self._world.dataplane((mesh, name))

    def dataplanes(self) -> list[Resource[DataplaneSpec]]:
        """Every Dataplane there is."""
        found = (self._world.dataplane(key) for key in self._world.proxies())
        return [dataplane for dataplane in found if dataplane is not None]

    def agent_config(self, mesh: str, name: str) -> Published[ScrapeConfig | None]:
        """The agent's configuration, to read and to wait on; its value is None while there is no such Dataplane."""
        key = (mesh, name)
        found = self._agent_configs.get(key)
        if found is None:
            compiled = self._compiled.get(key)
            found = self._agent_configs[key] = Published(compiled.agent_config if compiled else None)
        return found

    def age(self) -> float:
        """Seconds since the picture was last known to equal the store; 0 while the store is followed."""
        return time.monotonic() - self.in_step_at if self.store_is_away else 0.0

    def away(self) -> str | None:
        """What there is to say of a store that is away."""
        if not self.store_is_away:
            return None
        if not self.ready.is_set():
            return "away since the start, and there is nothing to serve yet"
        return f"away, serving what was known {self.age():.0f} s ago"

    # What others tell

    def proxy_connected(self, proxy: ProxyInfo) -> None:
        """A proxy told where its sockets and files are: give it a snapshot."""
        key = (proxy.mesh, proxy.dataplane)
        if self._proxies.get(key) != proxy:
            self._proxies[key] = proxy
            self._mark({key})

    def proxy_gone(self, mesh: str, name: str) -> None:
        """The proxy has been away for long: forget where its sockets were."""
        self._proxies.pop((mesh, name), None)
        self._certificates.pop((mesh, name), None)
        self._mark({(mesh, name)})

    def certificate_reported(self, mesh: str, name: str, certificate: ProvidedCertificate) -> None:
        """The agent told what the provided certificate is worth."""
        key = (mesh, name)
        if self._certificates.get(key) != certificate:
            self._certificates[key] = certificate
            self._mark({key})

    def provided_certificates(self) -> dict[ProxyKey, datetime]:
        """When the provided certificates that proxies told of expire."""
        return {
            key: certificate.not_after
            for key, certificate in self._certificates.items()
            if certificate.not_after is not None
        }

    def has_dataplane(self, key: ProxyKey) -> bool:
        """Whether there is such a Dataplane."""
        return self._world.dataplane(key) is not None

    def remembered(self) -> set[ProxyKey]:
        """Every proxy of which anything is kept beside its Dataplane."""
        return {*self._proxies, *self._certificates, *self._credentials, *self._agent_configs}

    def forget_departed(self, key: ProxyKey) -> None:
        """Drop what is kept of a proxy that has no Dataplane and for which nobody waits any more."""
        if self.has_dataplane(key):
            return
        for kept in (self._proxies, self._certificates, self._credentials, self._agent_configs):
            kept.pop(key, None)
        if self._trust is not None:
            self._trust.forget_proxy(key)

    def recompile(self, proxies: set[ProxyKey]) -> None:
        """Something besides the resources changed for these proxies."""
        self._mark(proxies)

    def in_step(self, mesh: str) -> bool:
        """Whether everything that is known of a mesh has been compiled and published."""
        waiting = self._dirty | self._held | self._compiling
        return not (mesh in self._dirty_meshes or any(key[0] == mesh for key in waiting))

    def restage(self, mesh: str) -> None:
        """The mesh has reached another stage of mTLS."""
        view = self._world.view(mesh)
        self._mark({(mesh, name) for name in view.dataplanes} if view else set(), {mesh})

    def recompile_mesh(self, mesh: str) -> None:
        """Something besides the resources changed for all proxies of a mesh."""
        view = self._world.view(mesh)
        self._mark({(mesh, name) for name in view.dataplanes} if view else set())

    # The loop

    async def run(self) -> None:
        """Follow the store until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(), name="reconciler: follow the store")
            tasks.create_task(self._compile(), name="reconciler: compile")

    async def _follow(self) -> None:
        while True:
            try:
                contents = await self._store.contents()
                self._tell_unreadable(contents.unreadable)
                self._take_over(World(contents.resources))
                if self.store_is_away:
                    log.info("the store is back")
                self.store_is_away = False
                self.in_step_at = time.monotonic()
                async for events in self._store.watch(contents.revision):
                    self.in_step_at = time.monotonic()
                    for event in events:
                        self.unreadable.pop(event.key, None)
                        touched = self._world.apply(event.key, event.resource)
                        self._mark(touched, {event.key.name} if event.key.kind == MESH else set())
            except StoreUnavailable as exc:
                if not self.store_is_away:
                    log.error("the store is away, serving the last good configuration: %s", exc)
                self.store_is_away = True
                await asyncio.sleep(self._retry)
            except WatchExpired:
                log.info("the watch fell behind, reading everything again")

    def _tell_unreadable(self, found: Mapping[Key, str]) -> None:
        for key, reason in found.items():
            if self.unreadable.get(key) != reason:
                log.error("%s is stored, cannot be read and is left out: %s", printable(key), reason)
        self.unreadable = dict(found)

    def _take_over(self, world: World) -> None:
        gone = set(self._world.meshes()) - set(world.meshes())
        self._world = world
        self._mark(set(world.proxies()) | set(self._compiled), set(world.meshes()) | gone)
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
                await self._prepare_all(meshes, tasks)
                held = {key for key in dirty if key[0] in self._preparing}
                self._held |= held
                await self._compile_all(dirty - held)
                self._compiling = set()
                if not self._dirty and not self._dirty_meshes:
                    self.ready.set()

    async def _prepare_all(self, meshes: Set[str], tasks: asyncio.TaskGroup) -> None:
        """Have authorities ready before anything of their meshes is compiled.

        One that takes long, on a dead drive say, holds back its own mesh and no other.
        """
        self._preparing = {mesh: task for mesh, task in self._preparing.items() if not task.done()}
        for mesh in sorted(meshes):
            if mesh in self._preparing:
                self._prepare_again.add(mesh)
            elif self._trust is not None:
                self._preparing[mesh] = tasks.create_task(self._prepare(mesh), name=f"prepare {mesh}")
        if self._preparing:
            await asyncio.wait(
                self._preparing.values(), timeout=PATIENCE if self.ready.is_set() else START_PATIENCE
            )
        self._preparing = {mesh: task for mesh, task in self._preparing.items() if not task.done()}

    async def _compile_all(self, dirty: set[ProxyKey]) -> None:
        started = time.monotonic()
        views = {mesh: self._staged(mesh) for mesh in {mesh for mesh, _ in dirty}}
        readers = self._find_readers(views, dirty)
        for key in sorted(dirty - readers):
            readers |= await self._compile_one(views[key[0]], key)
            await asyncio.sleep(0)  # let streams and polls be answered between two proxies
        while readers:
            # After the others, whose targets they read.
            key = min(readers)
            readers.remove(key)
            readers |= await self._compile_one(views[key[0]], key)
            await asyncio.sleep(0)
        self._publish_assignments()
        self._on_compiled(time.monotonic() - started, len(dirty))

    async def _prepare(self, mesh: str) -> None:
        """Have the authority of a mesh ready, and then what was held back meanwhile compiled."""
        assert self._trust is not None
        view = self._world.view(mesh)
        if view is None:
            self._trust.forget_mesh(mesh)
            self._switch.forget(mesh)
        else:
            self._switch.stage(view.mesh, has_proxies=bool(view.dataplanes))
            await self._trust.prepare(self._switch.signing(view.mesh))
        held = {key for key in self._held if key[0] == mesh}
        self._held -= held
        again = {mesh} & self._prepare_again
        self._prepare_again -= again
        self._mark(held, again)

    def _staged(self, mesh: str) -> MeshView | None:
        """The mesh as it is now, with how far its mTLS is."""
        view = self._world.view(mesh)
        return replace(view, stage=self._switch.stage(view.mesh)) if view is not None else None

    def _find_credentials(
        self, mesh: Resource[MeshSpec], dataplane: Resource[DataplaneSpec], proxy: ProxyInfo | None
    ) -> Credentials:
        """What the proxy has at hand. Nothing is signed for one that never connected."""
        if proxy is None:
            return self._trust.without_identity(mesh.name) if self._trust else NO_CREDENTIALS
        found = (
            self._trust.credentials(self._switch.signing(mesh), dataplane) if self._trust else NO_CREDENTIALS
        )
        if proxy.metrics_sds_path is None:
            return replace(found, provided=NOT_CONFIGURED)
        # Before the agent has spoken nothing is held against the certificate: while there is none, Envoy opens nothing.
        return replace(found, provided=self._certificates.get((dataplane.mesh, dataplane.name)))

    def _find_readers(self, views: Mapping[str, MeshView | None], dirty: set[ProxyKey]) -> set[ProxyKey]:
        """Those of the dirty proxies that read the targets of others; the set of all of them is brought up to date."""
        self._readers -= dirty
        for mesh, name in dirty:
            view = views[mesh]
            dataplane = view.dataplanes.get(name) if view else None
            if dataplane is not None and reads_targets(dataplane):
                self._readers.add((mesh, name))
        return self._readers & dirty

    async def _compile_one(self, view: MeshView | None, key: ProxyKey) -> set[ProxyKey]:
        """Compile and publish one proxy; the metrics proxies of its mesh if its target is another than before."""
        dataplane = view.dataplanes.get(key[1]) if view else None
        if view is None or dataplane is None:
            self._forget(key)
            return self._take_target(key, None)
        mesh, name = key
        others = self._targets[mesh].copy() if key in self._readers else {}
        others.pop(name, None)
        proxy = self._proxies.get(key)
        try:
            credentials = self._find_credentials(view.mesh, dataplane, proxy)
            work = partial(
                compile_proxy,
                view,
                dataplane,
                proxy,
                allowed_networks=self._allowed_networks,
                credentials=credentials,
                targets=tuple(others.values()),
                own_ports=self._own_ports,
            )
            # Whatever changes meanwhile marks the proxy, which is then compiled once more.
            result = await self._work.run(key, dataplane.spec, work)
        except Exception:
            # A fault in the computation for one proxy must not cost the others; this one keeps what it has.
            log.exception("cannot compile the configuration of %s/%s, keeping the last one", *key)
            return set()
        self._compiled[key] = result
        self._credentials[key] = replace(credentials, identity=None)
        if result.assignment is None:
            self._assignments.pop(key, None)
        else:
            self._assignments[key] = result.assignment
        if result.snapshot is None:
            self._cache.clear(*key)
        else:
            self._cache.set(*key, result.snapshot)
        self._publish_agent_config(key, result.agent_config)
        return self._take_target(key, result.target)

    def _take_target(self, key: ProxyKey, target: MetricsTarget | None) -> set[ProxyKey]:
        mesh, name = key
        targets = self._targets[mesh]
        if targets.get(name) == target:
            if not targets:
                del self._targets[mesh]
            return set()
        if target is None:
            del targets[name]
            if not targets:
                del self._targets[mesh]
        else:
            targets[name] = target
        return {reader for reader in self._readers if reader[0] == mesh and reader != key}

    def _forget(self, key: ProxyKey) -> None:
        self._work.forget(key)
        self._compiled.pop(key, None)
        self._credentials.pop(key, None)
        if self._trust is not None:
            self._trust.forget_proxy(key)
        self._assignments.pop(key, None)
        self._cache.clear(*key)
        self._publish_agent_config(key, None)

    def _publish_agent_config(self, key: ProxyKey, config: ScrapeConfig | None) -> None:
        published = self._agent_configs.get(key)
        if published is not None and published.value != config:
            published.set(config)

    def _publish_assignments(self) -> None:
        snapshot = build_snapshot(self._assignments[key] for key in sorted(self._assignments))
        if snapshot.version != self.assignments.value.version:
            self.assignments.set(snapshot)
