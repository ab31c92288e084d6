"""A mesh of real Envoys around the real ADS server, without a store: tests publish Dataplanes by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from meshmeter.effective.metrics import effective_metrics
from meshmeter.effective.targets import metrics_target
from meshmeter.effective.view import MeshView
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.envoy.snapshot import build_snapshot
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import Resource
from support.ads import ServedAds, ads_server
from support.envoy_process import EnvoyProcess, running_envoy, until
from support.processes import free_port
from support.resources import dataplane, metered

BODY = "# TYPE up gauge\nup 1\n" * 200


@dataclass
class Agent:
    """The agent as Envoy sees it: answers on a unix socket and remembers what it was asked."""

    requests: list[str] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    content_type: str = "text/plain; version=0.0.4; charset=utf-8"
    status: int = 200

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append(f"{request.method} {request.path_qs}")
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        return web.Response(
            body=BODY.encode(), status=self.status, headers={"Content-Type": self.content_type}
        )


@dataclass
class World:
    """A mesh, its ADS server, and what is needed to start Envoys of it."""

    ads: ServedAds
    folder: Path
    stack: AsyncExitStack
    http: aiohttp.ClientSession
    agent: Agent
    mesh: Resource[MeshSpec] = field(default_factory=metered)
    dataplanes: dict[str, Resource[DataplaneSpec]] = field(default_factory=dict)

    def proxy(self, name: str) -> ProxyInfo:
        agent, admin = (str(self.folder / f"{name}-{what}.sock") for what in ("agent", "admin"))
        return ProxyInfo("default", name, agent, admin, agent_version="1.2.3")

    def publish(self, *dataplanes: Resource[DataplaneSpec]) -> None:
        """The mesh has these Dataplanes; what follows is given to all of them."""
        self.dataplanes.update({made.name: made for made in dataplanes})
        view = MeshView(self.mesh, dict(self.dataplanes))
        found = {name: effective_metrics(self.mesh, made) for name, made in self.dataplanes.items()}
        targets = [metrics_target(self.dataplanes[name], each) for name, each in found.items() if each]
        for name, made in self.dataplanes.items():
            snapshot = build_snapshot(view, made, found[name], self.proxy(name), targets=targets)
            assert snapshot.problems == ()
            self.ads.cache.set("default", name, snapshot)

    async def envoy(self, name: str, *, ready: bool = True, **bootstrap: Any) -> EnvoyProcess:
        """An Envoy with its agent."""
        proxy = self.proxy(name)
        app = web.Application()
        app.router.add_route("*", "/metrics", self.agent.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        await web.UnixSite(runner, proxy.agent_socket).start()
        document = self.ads.bootstrap(proxy, **bootstrap)
        envoy = await self.stack.enter_async_context(running_envoy(document, self.folder, name=name))
        if ready:
            await until(envoy.is_ready, f"{name} to be ready")
        return envoy

    async def application(self, name: str) -> int:
        """An HTTP application that says its name; its port."""

        async def answer(_request: web.Request) -> web.Response:
            return web.Response(text=name)

        app = web.Application()
        app.router.add_get("/", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return int(runner.addresses[0][1])

    async def get(self, url: str, method: str = "GET", **headers: str) -> aiohttp.ClientResponse:
        response = await self.http.request(method, url, headers=headers)
        await response.read()
        return response


@asynccontextmanager
async def running_world(folder: Path) -> AsyncIterator[World]:
    """An ADS server and a client. The folder's path has to be short enough for unix sockets."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True),
                headers={"Accept-Encoding": "identity"},
                auto_decompress=False,
            )
        )
        ads = await stack.enter_async_context(ads_server())
        yield World(ads, folder, stack, http, Agent())


def metrics_only(name: str, port: int, *, address: str = "127.0.0.1", **conf: Any) -> Resource[DataplaneSpec]:
    """A Dataplane that has nothing but a metrics endpoint."""
    return dataplane(name, address=address, inbound=[], conf={"port": port, **conf})


def carrying(name: str, address: str, **networking: Any) -> Resource[DataplaneSpec]:
    """A Dataplane with traffic, and a metrics endpoint out of the way of everything else on this machine."""
    conf = {"port": free_port(address)}
    return dataplane(name, address=address, conf=conf, **({"inbound": []} | networking))
