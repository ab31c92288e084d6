"""The diagnostics server: `/metrics`, `/healthy` (the process works), `/ready` (it serves what the store holds)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from meshmeter.controlplane.api_errors import error_middleware

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def diagnostics_app(
    registry: CollectorRegistry,
    unready: Callable[[], Mapping[str, str]],
    authorize: Callable[[web.Request], object] = lambda _request: None,
) -> web.Application:
    """`unready` gives the parts that are not ready, each with its reason; empty means ready.

    `authorize` raises TokenError for who may not read `/metrics`. Health is for everybody: whoever can ask knows
    already that something runs here.
    """

    async def metrics(request: web.Request) -> web.Response:
        authorize(request)
        return web.Response(body=generate_latest(registry), headers={"Content-Type": METRICS_TYPE})

    async def healthy(_request: web.Request) -> web.Response:
        return web.json_response({"status": "healthy"})

    async def ready(_request: web.Request) -> web.Response:
        reasons = dict(unready())
        if reasons:
            return web.json_response({"status": "not ready", "reasons": reasons}, status=503)
        return web.json_response({"status": "ready"})

    app = web.Application(middlewares=[error_middleware])
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthy", healthy)
    app.router.add_get("/ready", ready)
    return app
