"""The parts of a control plane around a real store, for tests that need more than one of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from meshmeter.certs.tokens import DATAPLANE, SigningKey, issue
from meshmeter.controlplane.http.auth import Verifier
from meshmeter.controlplane.proxies.registration import Registrar, Surroundings
from meshmeter.controlplane.proxies.registry import ProxyRegistry
from meshmeter.controlplane.reconcile.reconciler import Reconciler
from meshmeter.store.sqlite import SqliteStore
from meshmeter.xds.cache import SnapshotCache

CA_PEM = "-----BEGIN CERTIFICATE-----\nnot a real one\n-----END CERTIFICATE-----\n"


@dataclass
class Parts:
    store: SqliteStore
    cache: SnapshotCache
    registry: ProxyRegistry
    reconciler: Reconciler
    registrar: Registrar
    verifier: Verifier
    key: SigningKey

    def token(
        self, mesh: str = "default", name: str | None = "backend-1", token_id: str = "t", **tags: str
    ) -> str:
        """A dataplane token."""
        return issue(
            self.key,
            DATAPLANE,
            token_id=token_id,
            now=datetime.now(UTC),
            valid_for=timedelta(hours=1),
            mesh=mesh,
            name=name,
            tags={tag: [value] for tag, value in tags.items()} or None,
        )


@asynccontextmanager
async def running_parts(
    folder: Path,
    deregistration_delay: float = 60.0,
    dataplanes_per_token: int = 1000,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[Parts]:
    """A store, a reconciler that follows it, and a registrar; nothing listens.

    `clock` is that of the proxies' presence, `sleep` what passes between two looks for those that have gone.
    """
    store = await SqliteStore.open(folder / "m.db")
    cache, registry = SnapshotCache(), ProxyRegistry(clock=clock)
    reconciler = Reconciler(store, cache)
    surroundings = Surroundings(15678, CA_PEM, "default", deregistration_delay, dataplanes_per_token)
    registrar = Registrar(store, reconciler, registry, surroundings, sleep)
    key = SigningKey("k", ec.generate_private_key(ec.SECP256R1()))
    tasks = [asyncio.create_task(reconciler.run()), asyncio.create_task(registrar.run())]
    try:
        async with asyncio.timeout(60):
            await reconciler.ready.wait()
        yield Parts(store, cache, registry, reconciler, registrar, Verifier({"k": key}), key)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await store.close()
