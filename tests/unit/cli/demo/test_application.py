"""The demo's application is an ordinary instrumented HTTP service."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer

from meshmeter.cli.demo.application import application


@pytest.fixture
async def backend() -> AsyncIterator[TestServer]:
    async with TestServer(application("backend", None)) as server:
        yield server


async def test_it_calls_the_service_behind_it_and_counts(backend: TestServer) -> None:
    async with (
        TestServer(application("frontend", str(backend.make_url("/")))) as server,
        TestClient(server) as client,
    ):
        answer = await client.get("/")
        assert (answer.status, await answer.json()) == (200, {"service": "frontend", "behind": "backend"})
        metrics = await client.get("/metrics")
        assert metrics.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        body = await metrics.text()
        assert 'demo_requests_total{code="200",service="frontend"} 1.0' in body
        assert 'demo_request_duration_seconds_count{service="frontend"} 1.0' in body


async def test_a_service_that_is_not_there_gives_502() -> None:
    async with (
        TestServer(application("frontend", "http://127.0.0.1:1/")) as server,
        TestClient(server) as client,
    ):
        answer = await client.get("/")
        assert answer.status == 502
        assert "127.0.0.1:1" in (await answer.json())["error"]
