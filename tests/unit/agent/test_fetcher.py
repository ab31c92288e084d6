"""Fetching (every fault is in tests/integration/test_scrape_faults.py)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from meshmeter.agent.fetcher import Fetcher
from meshmeter.scrape.config import ScrapeConfig, SourceConfig
from meshmeter.scrape.plan import Request, ScrapePlan, plan
from meshmeter.scrape.results import FetchError


@asynccontextmanager
async def server(
    seen: list[web.Request], socket: Path | None = None, status: int = 200
) -> AsyncIterator[int]:
    async def handle(request: web.Request) -> web.Response:
        seen.append(request)
        return web.Response(status=status, text=f"a{{q={request.query_string!r}}} 1\n")

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.UnixSite(runner, str(socket)) if socket else web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield 0 if socket else runner.addresses[0][1]
    finally:
        await runner.cleanup()


def scrape(port: int, query: str = "", accept: str = "x/secret") -> ScrapePlan:
    sources = (SourceConfig("app", "127.0.0.1", port, "/m"),)
    return plan(Request(query, accept), ScrapeConfig("1", "m", "d", True, sources, filter_regex="a"))


async def test_what_sources_are_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    to_envoy: list[web.Request] = []
    to_app: list[web.Request] = []
    socket = tmp_path / "admin.sock"
    async with server(to_envoy, socket), server(to_app) as port, Fetcher(socket, identity="me") as fetcher:
        envoy, app = await fetcher.fetch_all(scrape(port, "filter=b&x=1"))

    assert (envoy.name, app.name) == ("envoy", "app")
    assert [request.raw_path for request in to_envoy] == [
        "/stats/prometheus?filter=a&text_readouts=&x=1",
        "/stats/prometheus?filter=b&text_readouts=&x=1",
    ]
    assert b"filter=a" in envoy.body and b"filter=b" in (envoy.restrict_to or b"")
    assert [request.headers["Accept"] for request in to_envoy] == ["text/plain"] * 2
    (request,) = to_app
    assert request.raw_path == "/m"
    assert request.headers["Accept-Encoding"] == "gzip, deflate"
    assert request.headers["X-Prometheus-Scrape-Timeout-Seconds"] == "9"
    assert "secret" not in str(request.headers)
    assert envoy.error is app.error is None and app.duration > 0


async def test_failures_are_results(tmp_path: Path) -> None:
    async with server([], status=301) as port, Fetcher(tmp_path / "no.sock") as fetcher:
        envoy, app = await fetcher.fetch_all(scrape(port))
    assert (envoy.error, app.error) == (FetchError.CONNECT, FetchError.STATUS)
    assert app.detail == "HTTP status 301"
