"""From a change in the store to what is published, over a real SQLite store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meshmeter.controlplane.reconcile.mtls_switch import MtlsSwitch
from meshmeter.controlplane.reconcile.reconciler import Reconciler
from meshmeter.effective.credentials import NO_CREDENTIALS, Credentials
from meshmeter.effective.tls_stage import TlsStage
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.errors import StoreUnavailable
from meshmeter.resources.resource import Key
from meshmeter.store.base import Contents, Delete, Put
from meshmeter.store.sqlite import SqliteStore
from meshmeter.xds.cache import SnapshotCache
from meshmeter.xds.types import LISTENER, ROUTES
from support.resources import dataplane, metered
from support.snapshots import documents

PROXY = ProxyInfo("default", "backend-1", "/run/a.sock", "/run/e.sock")


@asynccontextmanager
async def following(store: Any, cache: SnapshotCache, **options: Any) -> AsyncIterator[Reconciler]:
    reconciler = Reconciler(store, cache, **options)
    task = asyncio.create_task(reconciler.run())
    try:
        async with asyncio.timeout(60):
            await reconciler.ready.wait()
            yield reconciler
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = await SqliteStore.open(tmp_path / "m.db")
    yield opened
    await opened.close()


async def until(check: Callable[[], bool], wait: Callable[[], Awaitable[object]]) -> None:
    while not check():
        await wait()


async def test_what_is_stored_before_the_start_is_published(store: SqliteStore) -> None:
    await store.commit([Put(metered()), Put(dataplane())])
    async with following(store, SnapshotCache()) as reconciler:
        assert [a.target.name for a in reconciler.assignments.value.assignments] == ["backend-1"]
        config = reconciler.agent_config("default", "backend-1").value
        assert config is not None and config.enabled
        assert reconciler.following.age() == 0


async def test_an_empty_store_is_ready_too(store: SqliteStore) -> None:
    async with following(store, SnapshotCache()) as reconciler:
        assert reconciler.assignments.value.assignments == ()
        assert reconciler.view("default") is None


async def test_a_change_reaches_targets_agent_and_envoy(store: SqliteStore) -> None:
    await store.commit([Put(metered()), Put(dataplane())])
    cache = SnapshotCache()
    async with following(store, cache) as reconciler:
        reconciler.proxy_connected(PROXY)
        await until(lambda: cache.get("default", "backend-1") is not None, lambda: asyncio.sleep(0.01))
        before = cache.get("default", "backend-1")
        config = reconciler.agent_config("default", "backend-1")
        await store.commit([Put(dataplane(conf={"port": 1234, "envoy": {"usedOnly": True}}))])
        changed = await config.next()
        assert changed is not None and changed.used_only
        await until(
            lambda: reconciler.assignments.value.assignments[0].target.address == "192.168.0.1:1234",
            lambda: asyncio.sleep(0.01),
        )
        assert cache.get("default", "backend-1") != before


async def test_a_change_that_changes_nothing_for_prometheus_wakes_nobody(store: SqliteStore) -> None:
    await store.commit([Put(metered()), Put(dataplane())])
    async with following(store, SnapshotCache()) as reconciler:
        before = reconciler.assignments.value
        config = reconciler.agent_config("default", "backend-1")
        await store.commit([Put(dataplane(conf={"envoy": {"usedOnly": True}}))])
        await config.next()
        assert reconciler.assignments.value is before


async def test_a_deleted_dataplane_is_gone_everywhere(store: SqliteStore) -> None:
    await store.commit([Put(metered()), Put(dataplane())])
    cache = SnapshotCache()
    async with following(store, cache) as reconciler:
        config = reconciler.agent_config("default", "backend-1")
        await store.commit([Delete(Key("Dataplane", "default", "backend-1"))])
        assert await config.next() is None
        await until(lambda: not reconciler.assignments.value.assignments, lambda: asyncio.sleep(0.01))
        assert reconciler.compiled("default", "backend-1") is None
        assert reconciler.dataplanes() == []
        assert cache.get("default", "backend-1") is None


class FlakyStore:
    """A store that is away for its first reads."""

    def __init__(self, store: SqliteStore, failures: int):
        self._store = store
        self._failures = failures

    async def contents(self) -> Contents:
        if self._failures:
            self._failures -= 1
            raise StoreUnavailable("the disk is away")
        return await self._store.contents()

    def watch(self, after: int) -> Any:
        return self._store.watch(after)


async def test_a_store_that_is_away_is_read_when_it_is_back(store: SqliteStore) -> None:
    await store.commit([Put(metered()), Put(dataplane())])
    async with following(FlakyStore(store, 3), SnapshotCache(), retry=0.01) as reconciler:
        assert not reconciler.following.store_is_away
        assert len(reconciler.assignments.value.assignments) == 1


async def test_of_a_store_that_was_never_there_nothing_is_known(store: SqliteStore) -> None:
    before = time.monotonic()
    away: Any = FlakyStore(store, 1)
    reconciler = Reconciler(away, SnapshotCache(), retry=3600.0)
    task = asyncio.create_task(reconciler.run())
    await until(lambda: reconciler.following.store_is_away, lambda: asyncio.sleep(0.01))
    assert reconciler.away() == "away since the start, and there is nothing to serve yet"
    assert reconciler.following.in_step_at >= before
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_of_a_store_that_went_away_the_age_of_what_is_served_is_told(store: SqliteStore) -> None:
    async with following(store, SnapshotCache()) as reconciler:
        assert reconciler.away() is None
        reconciler.following.store_is_away = True
        assert (reconciler.away() or "").startswith("away, serving what was known ")


# Metrics proxies


def domains(cache: SnapshotCache, name: str) -> set[str]:
    """What the metrics proxy of a Dataplane reaches."""
    snapshot = cache.get("default", name)
    if snapshot is None or not snapshot.of(ROUTES):
        return set()
    (routes,) = documents(snapshot, ROUTES).values()
    return {domain for host in routes["virtualHosts"] for domain in host["domains"]} - {"*"}


async def test_metrics_proxies_follow_the_targets_of_their_mesh(store: SqliteStore) -> None:
    scrapers = [
        dataplane(name, address=address, inbound=[], metricsProxy={"port": 15100})
        for name, address in (("p-1", "10.0.0.1"), ("p-2", "10.0.0.2"))
    ]
    await store.commit([Put(metered()), Put(metered("other")), *map(Put, scrapers)])
    cache = SnapshotCache()
    own = {"10.0.0.1:5670", "10.0.0.2:5670"}

    async def reach(expected: set[str]) -> None:
        async with asyncio.timeout(60):
            await until(
                lambda: domains(cache, "p-1") == domains(cache, "p-2") == expected,
                lambda: asyncio.sleep(0.01),
            )

    async with following(store, cache) as reconciler:
        for name in ("p-1", "p-2"):
            reconciler.proxy_connected(replace(PROXY, dataplane=name))
        await reach(own)
        await store.commit(
            [Put(dataplane(address="10.0.0.9")), Put(dataplane(mesh="other", address="10.0.0.8"))]
        )
        await reach({*own, "10.0.0.9:5670"})
        await store.commit([Put(dataplane(address="10.0.0.9", conf={"port": 1}))])
        await reach({*own, "10.0.0.9:1"})
        await store.commit(
            [Put(dataplane("p-1", address="10.0.0.5", inbound=[], metricsProxy={"port": 15100}))]
        )
        await reach({"10.0.0.5:5670", "10.0.0.2:5670", "10.0.0.9:1"})
        await store.commit([Delete(Key("Dataplane", "default", "backend-1"))])
        await reach({"10.0.0.5:5670", "10.0.0.2:5670"})
        await store.commit([Put(dataplane("p-1", address="10.0.0.5", inbound=[]))])
        await until(lambda: domains(cache, "p-1") == set(), lambda: asyncio.sleep(0.01))
        assert domains(cache, "p-2") == {"10.0.0.5:5670", "10.0.0.2:5670"}


async def test_what_does_not_change_a_target_does_not_touch_a_metrics_proxy(store: SqliteStore) -> None:
    scraper = dataplane("p-1", address="10.0.0.1", inbound=[], metricsProxy={"port": 15100})
    await store.commit([Put(metered()), Put(dataplane()), Put(scraper)])
    cache = SnapshotCache()
    async with following(store, cache) as reconciler:
        reconciler.proxy_connected(replace(PROXY, dataplane="p-1"))
        await until(lambda: cache.get("default", "p-1") is not None, lambda: asyncio.sleep(0.01))
        before = reconciler.compiled("default", "p-1")
        config = reconciler.agent_config("default", "backend-1")
        await store.commit([Put(dataplane(conf={"envoy": {"usedOnly": True}}))])
        await config.next()
        await asyncio.sleep(0.05)
        assert reconciler.compiled("default", "p-1") is before


# Authorities


class SlowTrust:
    """The authority of the mesh `slow` lies on a drive that does not answer."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def prepare(self, mesh: Any) -> None:
        if mesh.name == "slow":
            await self.go.wait()

    def credentials(self, mesh: Any, dataplane: Any) -> Credentials:
        return NO_CREDENTIALS

    def without_identity(self, mesh: str) -> Credentials:
        return Credentials(authority_fault="no such secret") if mesh == "slow" else NO_CREDENTIALS

    def forget_mesh(self, mesh: str) -> None:
        pass

    def forget_proxy(self, key: Any) -> None:
        pass


async def test_an_authority_that_takes_long_holds_up_its_own_mesh_only(store: SqliteStore) -> None:
    trust = SlowTrust()
    reconciler = Reconciler(store, SnapshotCache(), trust=trust)
    task = asyncio.create_task(reconciler.run())
    try:
        async with asyncio.timeout(60):
            await reconciler.ready.wait()
            slow = [metered("slow"), dataplane(mesh="slow")]
            await store.commit([Put(each) for each in (*slow, metered("quick"), dataplane(mesh="quick"))])
            await until(
                lambda: reconciler.compiled("quick", "backend-1") is not None, lambda: asyncio.sleep(0.01)
            )
            assert reconciler.compiled("slow", "backend-1") is None
            (waits,) = (each for each in reconciler.dataplanes() if each.mesh == "slow")
            outcome = reconciler.outcome(waits)
            assert outcome is not None and outcome.effective is not None and outcome.snapshot is None
            assert outcome.effective.port.value == 5670
            assert reconciler.outcome(dataplane(mesh="nowhere")) is None
            assert [found.code for found in reconciler.mesh_findings("slow")] == ["mesh-ca-unusable"]
            await store.commit([Put(metered("slow", port=1234))])
            trust.go.set()
            await until(
                lambda: (
                    [a.target.address for a in reconciler.assignments.value.assignments if a.mesh == "slow"]
                    == ["192.168.0.1:1234"]
                ),
                lambda: asyncio.sleep(0.01),
            )
            assert reconciler.outcome(waits) is reconciler.compiled("slow", "backend-1")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_switch_of_mtls_goes_on_when_proxies_have_what_belongs_to_a_stage(store: SqliteStore) -> None:
    await store.commit([Put(metered()), Put(dataplane())])
    cache, switch = SnapshotCache(), MtlsSwitch(clock=lambda: 0.0)
    reconciler = Reconciler(store, cache, switch=switch)
    task = asyncio.create_task(reconciler.run())
    try:
        async with asyncio.timeout(60):
            await reconciler.ready.wait()
            reconciler.proxy_connected(PROXY)
            assert not reconciler.in_step("default")
            assert reconciler.in_step("another")
            await until(lambda: reconciler.in_step("default"), lambda: asyncio.sleep(0.01))
            before = cache.get("default", "backend-1")
            assert before is not None and before.of(LISTENER)
            await store.commit([Put(metered(mtls=True))])
            view = reconciler.view("default")
            while view is None or view.mesh.spec.mtls is None:
                await asyncio.sleep(0.01)
                view = reconciler.view("default")
            await until(lambda: reconciler.in_step("default"), lambda: asyncio.sleep(0.01))
            assert switch.stage(view.mesh) is TlsStage.ACCEPTING
            reconciler.restage("default")
            assert not reconciler.in_step("default")
            await until(lambda: reconciler.in_step("default"), lambda: asyncio.sleep(0.01))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.attack("B8: a plain call to a service that joins a mesh while its mTLS is being switched on")
async def test_who_joins_a_mesh_after_its_mtls_was_switched_on_is_never_open(store: SqliteStore) -> None:
    """Every change makes a switch wait: a mesh with nobody to wait for must not be on its way then."""
    await store.commit([Put(metered())])
    switch = MtlsSwitch(clock=lambda: 0.0)
    async with following(store, SnapshotCache(), switch=switch, trust=SlowTrust()) as reconciler:

        def is_on() -> bool:
            view = reconciler.view("default")
            return view is not None and view.mesh.spec.mtls is not None and reconciler.in_step("default")

        await store.commit([Put(metered(mtls=True))])
        await until(is_on, lambda: asyncio.sleep(0.01))
        await store.commit([Put(dataplane())])
        await until(
            lambda: reconciler.compiled("default", "backend-1") is not None, lambda: asyncio.sleep(0.01)
        )
        view = reconciler.view("default")
        assert view is not None and switch.stage(view.mesh) is TlsStage.STRICT
