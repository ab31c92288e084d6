"""An ADS server for tests: the real service with its own CA, and hooks that write down what they are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec

from meshmeter.certs.authority import KeyPair, issue_server, make_authority
from meshmeter.controlplane.ads.server import Admit, AdsServer, StillGood
from meshmeter.envoy.bootstrap import build_bootstrap
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.errors import PermissionDenied, Unauthenticated
from meshmeter.xds.cache import SnapshotCache

TOKEN = "let-me-in"


@dataclass
class RecordingHooks:
    """Lets in whoever has `TOKEN`, and keeps everything it is told, in order."""

    connected: list[ProxyInfo] = field(default_factory=list)
    disconnected: list[tuple[str, str]] = field(default_factory=list)
    acks: list[tuple[str, str]] = field(default_factory=list)
    """Short type name and version."""
    nacks: list[tuple[str, str]] = field(default_factory=list)
    """Short type name and message."""
    revoked: bool = False
    """True: `TOKEN` is good no longer."""

    def authenticate(self, token: str) -> Admit:
        if token != TOKEN:
            raise Unauthenticated("no valid token")

        def still_good() -> None:
            if self.revoked:
                raise Unauthenticated("the token is revoked")

        def admit(mesh: str, name: str) -> StillGood:
            if mesh == "other":
                raise PermissionDenied("the token is for another mesh")
            still_good()
            return still_good

        return admit

    def on_connected(self, proxy: ProxyInfo) -> None:
        self.connected.append(proxy)

    def on_disconnected(self, mesh: str, name: str) -> None:
        self.disconnected.append((mesh, name))

    def on_ack(self, mesh: str, name: str, type_url: str, version: str) -> None:
        self.acks.append((type_url.rpartition(".")[2], version))

    def on_nack(self, mesh: str, name: str, type_url: str, message: str) -> None:
        self.nacks.append((type_url.rpartition(".")[2], message))


@dataclass
class ServedAds:
    """The service, listening; `restart` on the same port with whatever is in the cache then."""

    authority: KeyPair
    server: KeyPair
    cache: SnapshotCache = field(default_factory=SnapshotCache)
    hooks: RecordingHooks = field(default_factory=RecordingHooks)
    port: int = 0
    service: AdsServer | None = None
    check_seconds: float = 1.0
    linger: float = 2.0
    """Longer than the Envoys of tests drain."""
    limits: dict[str, int] = field(default_factory=dict)
    """Keyword arguments of `AdsServer`."""
    checking: asyncio.Task[None] | None = None

    @property
    def ca_pem(self) -> str:
        return self.authority.certificate_pem.decode()

    def bootstrap(
        self, proxy: ProxyInfo, *, host: str = "127.0.0.1", token: str = TOKEN
    ) -> dict[str, object]:
        return build_bootstrap(proxy, ads_host=host, ads_port=self.port, ca_pem=self.ca_pem, token=token)

    async def start(self) -> None:
        self.service = AdsServer(
            self.cache, self.hooks, check_seconds=self.check_seconds, linger=self.linger, **self.limits
        )
        self.port = await self.service.start("127.0.0.1", self.port, lambda: self.server)
        self.checking = asyncio.get_running_loop().create_task(self.service.run())

    async def stop(self) -> None:
        if self.checking is not None:
            self.checking.cancel()
            self.checking = None
        if self.service is not None:
            await self.service.stop()
            self.service = None


@asynccontextmanager
async def ads_server(check_seconds: float = 1.0, **limits: int) -> AsyncIterator[ServedAds]:
    """A running server for 127.0.0.1 and localhost, which checks tokens again so often."""
    now = datetime.now(UTC)
    day = timedelta(days=1)
    key = ec.generate_private_key(ec.SECP256R1())
    authority = make_authority("test", key, serial=1, now=now, valid_for=day)
    leaf = ec.generate_private_key(ec.SECP256R1())
    names = ["127.0.0.1", "localhost"]
    server = ServedAds(
        authority,
        issue_server(authority, names, leaf, serial=2, now=now, valid_for=day),
        check_seconds=check_seconds,
        limits=limits,
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
