"""The endpoint of the agent's own metrics: a unix socket for our user only.

It answers whatever the metrics endpoint of the proxy does: `curl --unix-socket DIR/self.sock http://agent/metrics`.
"""

from __future__ import annotations

from pathlib import Path

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from meshmeter.agent.metrics_server import PATH, listen
from meshmeter.agent.self_metrics import SelfMetrics


class SelfServer:
    """An async context manager: entered, it listens; left, the socket is gone."""

    def __init__(self, path: Path, metrics: SelfMetrics):
        self._path = path
        self._metrics = metrics
        app = web.Application()
        app.router.add_get(PATH, self._handle)
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=60.0, shutdown_timeout=1.0)

    async def __aenter__(self) -> SelfServer:
        """Raises StartupError if the socket cannot be listened on."""
        listener = listen(self._path)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        self._path.unlink(missing_ok=True)

    async def _handle(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._metrics.registry), headers={"Content-Type": content_type})
