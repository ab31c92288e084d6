"""Proxies that came and went leave nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from meshmeter.controlplane.proxies.garbage_collector import GarbageCollector
from meshmeter.controlplane.proxies.registry import ProxyRegistry
from meshmeter.controlplane.reconcile.reconciler import Reconciler
from meshmeter.effective.credentials import CertificateState, ProvidedCertificate
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.resources.resource import Key
from meshmeter.store.base import Delete, Put
from meshmeter.store.sqlite import SqliteStore
from meshmeter.xds.cache import SnapshotCache
from support.resources import dataplane, metered

CERTIFICATE = ProvidedCertificate(CertificateState.USABLE, "", datetime(2030, 1, 1, tzinfo=UTC))


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not check():
            await asyncio.sleep(0.005)


async def test_who_is_gone_is_forgotten_and_who_is_there_is_not(tmp_path: Path) -> None:
    passed = [0.0]
    store = await SqliteStore.open(tmp_path / "m.db")
    registry, reconciler = ProxyRegistry(clock=lambda: passed[0]), Reconciler(store, SnapshotCache())
    task = asyncio.create_task(reconciler.run())
    collector = GarbageCollector(registry, reconciler, after=60.0)
    names = [f"dp-{number}" for number in range(20)]
    await store.commit([Put(metered()), *(Put(dataplane(name)) for name in names)])
    await until(lambda: len(reconciler.dataplanes()) == len(names))
    for name in names:
        registry.stream_opened("default", name, "", "")
        with registry.poll("default", name):
            reconciler.agent_config("default", name)
        reconciler.proxy_connected(ProxyInfo("default", name, "/a", "/b"))
        reconciler.certificate_reported("default", name, CERTIFICATE)
    await store.commit([Delete(Key("Dataplane", "default", name)) for name in names[1:]])
    await until(lambda: len(reconciler.dataplanes()) == 1)
    for name in names[2:]:
        registry.stream_closed("default", name)
    # The last word of one that nobody knows any more.
    registry.forget(("default", names[2]))
    registry.stream_closed("default", names[2])

    collector.look()
    assert len(reconciler.remembered()) == len(names)
    passed[0] += 120.0
    collector.look()
    there = {("default", names[0]), ("default", names[1])}  # one has a Dataplane, one a stream
    assert reconciler.remembered() == registry.keys() == there
    assert set(reconciler.provided_certificates()) == there
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.close()
