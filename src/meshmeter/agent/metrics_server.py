"""The metrics server: answers scrapes that Envoy's metrics listener forwards, on a unix socket.

Concurrent scrapes with the same plan share one set of fetches and one answer. Others are limited in number and in
bytes, and each reader in its time; beyond that the answer is 503, to be tried again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import hdrs, web

from meshmeter.agent import hops
from meshmeter.agent.allowed_files import NO_FILES, AllowedFiles
from meshmeter.agent.coalescing import Answer, Busy, Coalescer, Room
from meshmeter.agent.fetcher import LOOP_HEADER, TIMEOUT_HEADER, Fetcher
from meshmeter.agent.scraping import Scraping
from meshmeter.agent.self_metrics import SelfMetrics
from meshmeter.errors import StartupError
from meshmeter.exposition.kernel import PYTHON, Kernel
from meshmeter.scrape.config import ScrapeConfig
from meshmeter.scrape.plan import Request, ScrapePlan, plan
from meshmeter.scrape.report import ScrapeReport

log = logging.getLogger(__name__)

PATH = "/metrics"

AT_ONCE = 256 << 10
"""Bytes of an answer that are handed to the connection at a time."""

READ_SECONDS = 60.0
"""How long a scraper may take for the body of an answer, which is held for it. Prometheus hangs up after its own scrape
timeout."""

RETRY_AFTER = "1"
"""Seconds after which one that found no room may try again."""

LONGEST_SOCKET_PATH = 107
"""Bytes that a unix socket's path may have on Linux."""

KEEP_ALIVE = 4000.0
"""Seconds; longer than Envoy keeps an idle connection (an hour), so that Envoy never uses one that just closed."""


class MetricsServer:
    """An async context manager: entered, it listens; left, the socket is gone.

    `config` gives the configuration to scrape by, `on_report` takes each scrape's report (`ScrapeReport.to_json`) and
    which sources were up. Scrapers that share an answer share its report.
    """

    def __init__(
        self,
        agent_socket: Path,
        admin_socket: Path,
        config: Callable[[], ScrapeConfig],
        on_report: Callable[[Mapping[str, Any], Mapping[str, bool]], None],
        kernel: Kernel = PYTHON,
        own: SelfMetrics | None = None,
        *,
        files: AllowedFiles = NO_FILES,
        room: Room | None = None,
        read_seconds: float = READ_SECONDS,
    ):
        """`own` counts what happens here, and is part of answers where the configuration says so. `files`: what
        entries may name. `room` limits what is in work at once, `read_seconds` how long a scraper may take for an
        answer."""
        self._path = agent_socket
        self._own = own or SelfMetrics()
        self._identity = uuid.uuid4().hex
        self._fetcher = Fetcher(admin_socket, identity=self._identity, files=files)
        self._config = config
        self._on_report = on_report
        self._scraping = Scraping(self._fetcher, kernel, self._own.text)
        self._shared: Coalescer[ScrapePlan] = Coalescer(self._own.coalesced, room)
        self._read_seconds = read_seconds
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> MetricsServer:
        """Raises StartupError if the socket cannot be listened on."""
        listener = listen(self._path)
        await self._fetcher.__aenter__()
        app = web.Application(middlewares=[self._own.counting()])
        app.router.add_get(PATH, self._handle)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=KEEP_ALIVE,
            shutdown_timeout=1.0,
            handler_cancellation=True,  # a scraper that goes away stops its fetches, unless others wait for them
        )
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        await self._shared.cancel()
        self._scraping.close()
        await self._fetcher.__aexit__()
        self._path.unlink(missing_ok=True)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            wanted = plan(_request(request, self._identity), self._config())
            async with self._shared.join(wanted, lambda answer: self._scrape(wanted, answer)) as answer:
                return await self._respond(request, answer)
        except hops.Circle as exc:
            return web.Response(status=508, text=f"{exc}\n")
        except Busy as exc:
            return web.Response(
                status=503, text=f"Too much to do: {exc}.\n", headers={hdrs.RETRY_AFTER: RETRY_AFTER}
            )

    async def _respond(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        await answer.head()
        headers = {hdrs.CONTENT_TYPE: answer.content_type}
        if answer.is_complete and answer.size <= AT_ONCE:
            return web.Response(status=answer.status, body=await answer.body(), headers=headers)
        if request.method == hdrs.METH_HEAD:
            await answer.end_of_body()
        response = web.StreamResponse(status=answer.status, headers=headers)
        if answer.is_complete:
            response.content_length = answer.size
        try:
            async with asyncio.timeout(self._read_seconds):
                await response.prepare(request)
                if request.method != hdrs.METH_HEAD:
                    await _write(response, answer)
        except ConnectionError:
            pass  # the scraper has left, which is its right
        except TimeoutError:
            log.debug("a scraper took more than %.0f s for its answer, and is left", self._read_seconds)
            _hang_up(request)
        except Exception as exc:
            # The status has left already: only an end before the end shows that something is missing.
            log.error("an answer broke off: %s", exc, exc_info=log.isEnabledFor(logging.DEBUG))
            _hang_up(request)
        return response

    async def _scrape(self, wanted: ScrapePlan, answer: Answer) -> None:
        version = self._config().version
        status, sources = await self._scraping.scrape(wanted, answer)
        self._own.fetched(sources)
        if status == 400:
            return  # a scraper's mistake says nothing of the proxy
        report = ScrapeReport(time.time(), status, version, sources)
        self._on_report(report.to_json(), report.states())


async def _write(response: web.StreamResponse, answer: Answer) -> None:
    async for piece in answer.pieces(AT_ONCE):
        # Not all of a long one at once: what the connection does not take at once is copied.
        for at in range(0, len(piece), AT_ONCE):
            await response.write(memoryview(piece)[at : at + AT_ONCE])
    await response.write_eof()


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _request(request: web.Request, identity: str) -> Request:
    """Raises hops.Circle."""
    return Request(
        request.rel_url.raw_query_string,
        request.headers.get(hdrs.ACCEPT),
        request.headers.get(TIMEOUT_HEADER),
        hops.read(request.headers.getall(LOOP_HEADER, ()), identity),
    )


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
        _remove_stale(path)
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


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise StartupError(f"{path} exists and is no socket: remove it, or choose another --work-dir")
    path.unlink()
