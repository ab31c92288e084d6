"""The dataplane API (TLS, dataplane tokens): how agents register, learn what to scrape, and report.

    POST   /v1/proxies                                   register; bootstrap and agent configuration
    GET    /v1/proxies/{mesh}/{name}/agent-config        ?version=V&wait=SECONDS: long poll; 200, 304 or 404
    POST   /v1/proxies/{mesh}/{name}/scrape-report       what the last scrape was like
    PUT    /v1/proxies/{mesh}/{name}/certificate         what the certificate for providedTLS is worth
    DELETE /v1/proxies/{mesh}/{name}                     the agent stops for good

Every request carries the dataplane's token; it has to cover the proxy it speaks of.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from meshmeter.certs.tokens import Claims, check_dataplane
from meshmeter.controlplane.admission.dataplane_access import check_stored
from meshmeter.controlplane.http.auth import bearer_token
from meshmeter.controlplane.http.errors import error_middleware
from meshmeter.controlplane.proxies.certificate_reports import read_certificate
from meshmeter.controlplane.proxies.registration import Registrar
from meshmeter.controlplane.proxies.registry import ProxyRegistry
from meshmeter.controlplane.reconcile.published import Published
from meshmeter.controlplane.reconcile.reconciler import Reconciler
from meshmeter.controlplane.tokens.limits import RateLimit
from meshmeter.errors import InvalidResource, NotFound, TokenError, Violation
from meshmeter.resources.dataplane import KIND
from meshmeter.scrape.config import ScrapeConfig

MAX_DOCUMENT = 1 << 20
"""Bytes of the Dataplane of a registration, unless the limits say otherwise."""

MAX_REPORT = 64 << 10
"""Bytes of a scrape report."""

IN_THREAD = 64 << 10
"""Bodies above this many bytes are read beside the event loop."""

MAX_WAIT = 60.0
"""Seconds a poll may wait, whatever it asks for."""


class DataplaneApi:
    """The handlers, with what they need."""

    def __init__(
        self,
        registrar: Registrar,
        reconciler: Reconciler,
        registry: ProxyRegistry,
        verify: Callable[[str], Claims],
        rate: RateLimit | None = None,
        still_good: Callable[[Claims], None] = lambda _claims: None,
        max_document: int = MAX_DOCUMENT,
    ):
        """`verify` raises TokenError for what is no dataplane token, `still_good` for one that is void by now."""
        self._registrar = registrar
        self._reconciler = reconciler
        self._registry = registry
        self._verify = verify
        self._rate = rate
        self._max_body = max_document + MAX_REPORT
        self._still_good = still_good
        self._polls: dict[asyncio.Event, Claims] = {}
        """Those that wait; the event ends the wait."""
        self._stopping = False

    def app(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(middlewares=[error_middleware], client_max_size=self._max_body)
        app.router.add_post("/v1/proxies", self._register)
        app.router.add_get("/v1/proxies/{mesh}/{name}/agent-config", self._agent_config)
        app.router.add_post("/v1/proxies/{mesh}/{name}/scrape-report", self._scrape_report)
        app.router.add_put("/v1/proxies/{mesh}/{name}/certificate", self._certificate)
        app.router.add_delete("/v1/proxies/{mesh}/{name}", self._deregister)
        app.on_shutdown.append(self._stop)
        return app

    async def _stop(self, _app: web.Application) -> None:
        """Answer the waiting polls, so that a stop need not wait for them."""
        self._stopping = True
        for poll in self._polls:
            poll.set()

    @property
    def waiting(self) -> int:
        """Polls that wait now."""
        return len(self._polls)

    def reconsider(self) -> None:
        """Tokens may have become void: polls with such a token wait no longer."""
        for poll, claims in self._polls.items():
            try:
                self._still_good(claims)
            except TokenError:
                poll.set()

    async def _register(self, request: web.Request) -> web.Response:
        token = bearer_token(request)
        claims = self._verify(token)
        if self._rate is not None:
            self._rate.take(claims.id)
        body = await _json(request, self._max_body)
        document, proxy = body.get("dataplane"), body.get("proxy")
        if not isinstance(document, dict) or not isinstance(proxy, dict):
            parts = (("dataplane", document), ("proxy", proxy))
            faults = [
                Violation(name, "must be an object") for name, part in parts if not isinstance(part, dict)
            ]
            raise InvalidResource(faults, "The registration is not valid")
        host = request.url.host or "127.0.0.1"
        return web.json_response(await self._registrar.register(document, proxy, claims, token, host))

    async def _agent_config(self, request: web.Request) -> web.Response:
        mesh, name = self._allowed(request)
        version = request.query.get("version", "")
        wait = _seconds(request.query.get("wait", "0"))
        published = self._reconciler.agent_config(mesh, name)
        with self._registry.poll(mesh, name):
            if _is(published.value, version) and wait > 0:
                await self._another(published, version, wait, self._verify(bearer_token(request)))
                self._allowed(request)  # a token may have been revoked meanwhile
        config = published.value
        if config is None:
            raise NotFound(KIND, mesh, name)
        if config.version == version:
            return web.Response(status=304)
        return web.json_response(config.to_json())

    async def _another(
        self, published: Published[ScrapeConfig | None], version: str, seconds: float, claims: Claims
    ) -> None:
        """Until another version than this one is published, the time is over, the token is void, or the server
        stops."""
        over = asyncio.Event()
        self._polls[over] = claims
        async with asyncio.TaskGroup() as tasks:
            another = published.until(lambda config: not _is(config, version))
            change = tasks.create_task(another, name="agent poll: change")
            stop = tasks.create_task(over.wait(), name="agent poll: stop")
            try:
                if not self._stopping:
                    await asyncio.wait({change, stop}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            finally:
                del self._polls[over]
            change.cancel()
            stop.cancel()

    async def _scrape_report(self, request: web.Request) -> web.Response:
        mesh, name = self._allowed(request)
        self._registry.reported(mesh, name, await _json(request, MAX_REPORT))
        return web.Response(status=204)

    async def _certificate(self, request: web.Request) -> web.Response:
        mesh, name = self._allowed(request)
        certificate = read_certificate(await _json(request, MAX_REPORT), "certificate")
        self._reconciler.certificate_reported(mesh, name, certificate)
        return web.Response(status=204)

    async def _deregister(self, request: web.Request) -> web.Response:
        mesh, name = self._allowed(request)
        removed = await self._registrar.deregister(mesh, name, request.query.get("instance", ""))
        return web.json_response({"removed": removed})

    def _allowed(self, request: web.Request) -> tuple[str, str]:
        """Mesh and name of the path, once the token covers them. Raises TokenError, NotFound."""
        claims = self._verify(bearer_token(request))
        mesh, name = request.match_info["mesh"], request.match_info["name"]
        dataplane = self._reconciler.dataplane(mesh, name)
        if dataplane is None:
            check_dataplane(claims, mesh, name)
            raise NotFound(KIND, mesh, name)
        check_stored(claims, dataplane)
        self._registrar.heard_of((mesh, name), claims)
        return mesh, name


def _is(config: ScrapeConfig | None, version: str) -> bool:
    return config is not None and config.version == version


async def _json(request: web.Request, limit: int) -> dict[str, Any]:
    """The body as an object of at most `limit` bytes. Raises InvalidResource, HTTPRequestEntityTooLarge."""
    body = await request.read()
    if len(body) > limit:
        raise web.HTTPRequestEntityTooLarge(max_size=limit, actual_size=len(body))
    try:
        value = await asyncio.to_thread(json.loads, body) if len(body) > IN_THREAD else json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise InvalidResource([Violation("", f"the body is not JSON: {exc}")], "Bad request") from exc
    if not isinstance(value, dict):
        raise InvalidResource([Violation("", "the body must be a JSON object")], "Bad request")
    return value


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise InvalidResource(
            [Violation("wait", f"must be a number of seconds, not {text!r}")], "Bad request"
        )
    return min(seconds, MAX_WAIT)
