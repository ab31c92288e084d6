"""The metrics server: answers scrapes that Envoy's metrics listener forwards, on a unix socket.

Concurrent scrapes with the same plan share one set of fetches.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from meshmeter.agent.fetcher import Fetcher
from meshmeter.errors import StartupError
from meshmeter.scrape.config import ScrapeConfig
from meshmeter.scrape.gather import ScrapeResponse, gather
from meshmeter.scrape.plan import ScrapePlan, plan

PATH = "/metrics"

LONGEST_SOCKET_PATH = 107
"""Bytes that a unix socket's path may have on Linux."""

KEEP_ALIVE = 4000.0
"""Seconds; longer than Envoy keeps an idle connection (an hour), so that Envoy never uses one that just closed."""

BIG = 256 << 10
"""Bytes of bodies from which on merging happens in a thread, so that other scrapes go on."""


class MetricsServer:
    """An async context manager: entered, it listens; left, the socket is gone.

    `config` gives the configuration to scrape by, `on_report` takes each scrape's report and which sources were up.
    """

    def __init__(
        self,
        agent_socket: Path,
        admin_socket: Path,
        config: Callable[[], ScrapeConfig],
        on_report: Callable[[Mapping[str, Any], Mapping[str, bool]], None],
    ):
        self._path = agent_socket
        self._fetcher = Fetcher(admin_socket)
        self._config = config
        self._on_report = on_report
        self._running: dict[ScrapePlan, asyncio.Task[ScrapeResponse]] = {}
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> MetricsServer:
        listener = listen(self._path)
        await self._fetcher.__aenter__()
        app = web.Application()
        app.router.add_get(PATH, self._handle)
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=KEEP_ALIVE, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        for task in tuple(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await self._fetcher.__aexit__()
        self._path.unlink(missing_ok=True)

    async def _handle(self, request: web.Request) -> web.Response:
        response = await self._shared(plan(request.rel_url.raw_query_string, request.headers, self._config()))
        return web.Response(
            status=response.status, body=response.body, headers={"Content-Type": response.content_type}
        )

    async def _shared(self, wanted: ScrapePlan) -> ScrapeResponse:
        """The response to a plan; who comes while it is being made gets the same."""
        task = self._running.get(wanted)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._scrape(wanted), name="scrape")
            self._running[wanted] = task
            task.add_done_callback(lambda _task: self._running.pop(wanted, None))
        # Shielded: one scraper that goes away does not cost the others their answer; the deadline bounds the work.
        return await asyncio.shield(task)

    async def _scrape(self, wanted: ScrapePlan) -> ScrapeResponse:
        results = await self._fetcher.fetch_all(wanted)
        if sum(result.size for result in results) > BIG:
            response = await asyncio.to_thread(gather, wanted, results)
        else:
            response = gather(wanted, results)
        self._on_report(response.report(), response.states())
        return response


def listen(path: Path) -> socket.socket:
    """A listening unix socket that only our user can open. Raises StartupError.

    A socket left behind by a process that was killed is replaced; anything else at the path is not touched.
    """
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        raise StartupError(
            f"{path} is longer than the {LONGEST_SOCKET_PATH} bytes a unix socket may have: choose a shorter --work-dir"
        )
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.exists():
            if not stat.S_ISSOCK(path.lstat().st_mode):
                raise StartupError(f"{path} exists and is no socket: remove it, or choose another --work-dir")
            path.unlink()
        previous = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(previous)
        listener.listen(128)
        listener.setblocking(False)
    except OSError as exc:
        listener.close()
        raise StartupError(f"cannot listen on {path}: {exc.strerror}") from exc
    except StartupError:
        listener.close()
        raise
    return listener
