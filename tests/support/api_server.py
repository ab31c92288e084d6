"""The resource API over real sockets, with a real store, and proxies whose state a test sets.

`serve` runs it in the test's event loop, `serve_in_thread` beside it for tests of the blocking command line.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from aiohttp import ClientSession, web

from meshmeter.certs.tokens import ADMIN
from meshmeter.controlplane.api.app import resource_app
from meshmeter.controlplane.api.explain import Explainer
from meshmeter.controlplane.api.identities import IdentityApi, has_mtls
from meshmeter.controlplane.http.auth import Verifier, bearer_token, require_admin
from meshmeter.controlplane.identity.secret_vault import SecretVault
from meshmeter.controlplane.proxies.registry import ProxyRegistry
from meshmeter.controlplane.reconcile.reconciler import Reconciler
from meshmeter.controlplane.tokens.limits import RateLimit
from meshmeter.controlplane.tokens.service import TokenService
from meshmeter.controlplane.tokens.signing_keys import SigningKeys
from meshmeter.resources.defaults import default_mesh, with_defaults
from meshmeter.store.base import Put
from meshmeter.store.sqlite import SqliteStore
from meshmeter.xds.cache import SnapshotCache
from support.mesh_authority import MeshAuthority


@dataclass
class ServedApi:
    """A running resource API with the Mesh `default`."""

    url: str
    store: SqliteStore
    reconciler: Reconciler
    registry: ProxyRegistry
    tokens: TokenService
    authority: MeshAuthority
    admin_token: str = field(repr=False)

    def client(self, **headers: str) -> ClientSession:
        """An HTTP client with the admin token."""
        return ClientSession(self.url, headers={"Authorization": f"Bearer {self.admin_token}", **headers})

    async def caught_up(self) -> None:
        """Until what `explain` tells of is what is stored."""
        stored = {r.key: r for r in (await self.store.contents()).resources if r.kind == "Dataplane"}
        async with asyncio.timeout(60):
            while {r.key: r for r in self.reconciler.dataplanes()} != stored or not all(
                self.reconciler.in_step(key.mesh) for key in stored
            ):
                await asyncio.sleep(0.002)


@asynccontextmanager
async def serve(
    folder: Path, identities_per_token: int = 1000, *, reconciled: bool = True
) -> AsyncIterator[ServedApi]:
    """`reconciled`: whether what is stored is compiled, which takes its time, and only `explain` tells of it."""
    store = await SqliteStore.open(folder / "test.db")
    await store.commit([Put(with_defaults(default_mesh()))])
    reconciler, registry = Reconciler(store, SnapshotCache()), ProxyRegistry()
    tokens = await TokenService.open(store, SigningKeys.open(folder), folder / "admin.token")
    authority = MeshAuthority()
    verifier = Verifier(tokens.keys, tokens.is_revoked)
    following = asyncio.get_running_loop().create_task(reconciler.run() if reconciled else asyncio.sleep(0))
    app = resource_app(
        store,
        authenticate=require_admin(verifier),
        explainer=Explainer(reconciler, registry),
        tokens=tokens,
        secrets=await SecretVault.open(store, folder),
        identities=IdentityApi(
            authority,
            lambda request: verifier.identity(bearer_token(request)),
            rate=RateLimit(identities_per_token, "certificates", "--identities-per-token", lambda: 0.0),
            wants_mtls=lambda mesh: has_mtls(store, mesh),
        ),
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        admin_token = await tokens.issue(ADMIN, timedelta(hours=1))
        yield ServedApi(url, store, reconciler, registry, tokens, authority, admin_token)
    finally:
        await runner.cleanup()
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        await store.close()


@contextmanager
def serve_in_thread(folder: Path) -> Iterator[ServedApi]:
    """The same in a thread; do not touch its store from the test's own thread."""
    started: list[ServedApi] = []
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def main() -> None:
        async with serve(folder) as served:
            started.append(served)
            ready.set()
            await stop.wait()

    def run() -> None:
        try:
            loop.run_until_complete(main())
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=run, name="resource API")
    thread.start()
    ready.wait(60)
    try:
        assert started, "the resource API did not start"
        yield started[0]
    finally:
        if started:
            loop.call_soon_threadsafe(stop.set)
        thread.join(60)
