"""The dataplane API as agents see it, in process, over real TLS; for unit tests of the agent only.

It keeps one table of registered proxies. `refuse` makes the next request fail.
Integration tests use the real one.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from meshmeter.certs.authority import KeyPair, issue_server, make_authority
from meshmeter.scrape.config import ScrapeConfig

TOKEN = "eyJ.fake-token.sig"


def authority(name: str = "test authority") -> KeyPair:
    now = datetime.now(UTC) - timedelta(minutes=1)
    key = ec.generate_private_key(ec.SECP256R1())
    return make_authority(name, key, serial=1, now=now, valid_for=timedelta(days=1))


@dataclass
class FakeControlPlane:
    """An async context manager; `folder` gets `ca.crt` and `token`."""

    folder: Path
    port: int = 0
    bootstrap: Callable[[dict[str, Any]], dict[str, Any]] = lambda proxy: {"node": proxy["instance"]}
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of everything that was asked."""
    proxies: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """What was registered, as sent."""
    reports: list[dict[str, Any]] = field(default_factory=list)
    config: ScrapeConfig = field(default_factory=lambda: ScrapeConfig("v1", "default", "web", True))
    refusals: list[tuple[int, Any]] = field(default_factory=list)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while a poll waits."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def token_file(self) -> Path:
        return self.folder / "token"

    def refuse(self, status: int, body: Any = None) -> None:
        """Answer one request with this; the first refusal first."""
        self.refusals.append((status, body if body is not None else {"title": "No", "detail": "because"}))

    def publish(self, config: ScrapeConfig) -> None:
        self.config = config
        self._changed.set()
        self._changed = asyncio.Event()

    def forget_all(self) -> None:
        """As a control plane with an empty store after a restart."""
        self.proxies.clear()
        self.publish(self.config)

    async def __aenter__(self) -> Self:
        self.folder.mkdir(exist_ok=True)
        if not self.ca_file.exists():
            self._make_certificates()
        if not self.token_file.exists():
            self.token_file.touch(0o600)
            self.token_file.write_text(f"{TOKEN}\n")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.crt", self.folder / "server.key")
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=context)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._runner.cleanup()

    def _make_certificates(self) -> None:
        ca = authority()
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC) - timedelta(minutes=1)
        server = issue_server(ca, ["127.0.0.1"], key, serial=2, now=now, valid_for=timedelta(hours=1))
        self.ca_file.write_bytes(ca.certificate_pem)
        (self.folder / "server.crt").write_bytes(server.certificate_pem)
        (self.folder / "server.key").write_bytes(server.key_pem)

    async def _handle(self, request: web.Request) -> web.Response:
        self.requests.append((request.method, request.path))
        if self.refusals:
            status, body = self.refusals.pop(0)
            if isinstance(body, str):
                return web.Response(status=status, text=body)
            return web.json_response(body, status=status)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            error = {"title": "Authentication required", "detail": "the token has expired"}
            return web.json_response(error, status=401)
        if request.path == "/v1/proxies":
            return self._register(await request.json())
        mesh, name, *rest = request.path.removeprefix("/v1/proxies/").split("/")
        if (mesh, name) not in self.proxies:
            return web.json_response({"title": "Could not retrieve a resource"}, status=404)
        if request.method == "DELETE":
            del self.proxies[mesh, name]
            return web.json_response({"removed": True})
        if rest == ["scrape-report"]:
            self.reports.append(json.loads(await request.read()))
            return web.Response(status=204)
        return await self._agent_config(request)

    def _register(self, body: dict[str, Any]) -> web.Response:
        dataplane = body["dataplane"]
        mesh, name = dataplane.get("mesh", "default"), dataplane["name"]
        self.proxies[mesh, name] = body
        self.config = replace(self.config, mesh=mesh, dataplane=name)
        return web.json_response(
            {
                "mesh": mesh,
                "name": name,
                "bootstrap": self.bootstrap(body["proxy"]),
                "agentConfig": self.config.to_json(),
            }
        )

    async def _agent_config(self, request: web.Request) -> web.Response:
        if request.query["version"] == self.config.version:
            changed = self._changed
            self.waiting.set()
            try:
                async with asyncio.timeout(float(request.query["wait"])):
                    await changed.wait()
            except TimeoutError:
                return web.Response(status=304)
            finally:
                self.waiting.clear()
        mesh, name = request.path.split("/")[3:5]
        if (mesh, name) not in self.proxies:
            return web.json_response({"title": "Could not retrieve a resource"}, status=404)
        return web.json_response(self.config.to_json())
