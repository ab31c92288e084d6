"""What the agent tells of itself."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from meshmeter import __version__
from meshmeter.agent.self_metrics import SelfMetrics
from meshmeter.scrape.report import SourceReport
from support.exposition import accepted_by_promtool, samples


def values(metrics: SelfMetrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    found = samples(metrics.text().decode())
    assert all(name.startswith("meshmeter_agent_") for name, _, _ in found)
    return {(name.removeprefix("meshmeter_agent_"), labels): value for name, labels, value in found}


def test_a_new_agent() -> None:
    metrics = SelfMetrics(kernel="native", envoy_version="1.36.0")
    found = values(metrics)
    about = (("envoy_version", "1.36.0"), ("kernel", "native"), ("version", __version__))
    assert found["build_info", about] == 1
    assert found["control_plane_connected", ()] == found["envoy_restarts_total", ()] == 0
    assert found["process_resident_memory_bytes", ()] > 1 << 20
    assert found["process_open_fds", ()] > 0
    assert found["process_cpu_seconds_total", ()] > 0
    assert accepted_by_promtool(metrics.text()) == ""


def test_what_is_read_when_somebody_asks() -> None:
    metrics = SelfMetrics()
    metrics.watch(connected=lambda: True, envoy_restarts=lambda: 3)
    found = values(metrics)
    assert (found["control_plane_connected", ()], found["envoy_restarts_total", ()]) == (1, 3)


def test_a_provided_certificate_is_there_only_if_there_is_one() -> None:
    name, metrics = "provided_certificate_expiry_timestamp_seconds", SelfMetrics()
    assert (name, ()) not in values(metrics)
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    metrics.watch(connected=bool, envoy_restarts=int, certificate_expiry=lambda: moment)
    assert values(metrics)[name, ()] == moment.timestamp()


def test_the_configuration_and_its_age() -> None:
    now = 100.0
    metrics = SelfMetrics(clock=lambda: now)
    metrics.took_config("a")
    now += 5
    metrics.took_config("a")
    assert values(metrics)["config_info", (("version", "a"),)] == 1
    assert values(metrics)["config_age_seconds", ()] == 5
    metrics.took_config("b")
    assert values(metrics)["config_age_seconds", ()] == 0


def test_scrapes() -> None:
    metrics = SelfMetrics()
    for code, seconds in (("200", 0.02), ("200", 0.025), ("503", 100.0)):
        metrics.scraped(code, seconds)
    metrics.coalesced()
    found = values(metrics)
    assert found["scrapes_total", (("code", "200"),)] == 2
    assert found["scrapes_total", (("code", "503"),)] == 1
    buckets = {dict(labels)["le"]: n for (name, labels), n in found.items() if name.endswith("_bucket")}
    assert (buckets["0.01"], buckets["0.025"], buckets["60.0"], buckets["inf"]) == (0, 2, 2, 3)
    assert found["scrape_duration_seconds_count", ()] == 3
    assert found["scrape_duration_seconds_sum", ()] == pytest.approx(100.045)
    assert found["coalesced_scrapes_total", ()] == 1


def test_fetches_of_the_sources_that_there_are() -> None:
    metrics = SelfMetrics()
    envoy, down = SourceReport("envoy", True, 0.1), SourceReport("app", False, 1.0, error="timeout")
    metrics.fetched([envoy, down])
    metrics.fetched([envoy, SourceReport("app", True, 0.1)])
    found = values(metrics)
    assert found["fetches_total", (("result", "ok"), ("source", "envoy"))] == 2
    assert found["fetches_total", (("result", "ok"), ("source", "app"))] == 1
    assert found["fetches_total", (("result", "timeout"), ("source", "app"))] == 1
    metrics.fetched([envoy])
    assert not [labels for _, labels in values(metrics) if ("source", "app") in labels]


async def test_requests_are_counted_whatever_becomes_of_them() -> None:
    metrics = SelfMetrics()
    count = metrics.counting()
    request = make_mocked_request("GET", "/metrics")

    async def fine(_request: web.Request) -> web.Response:
        return web.Response(status=200)

    async def missing(_request: web.Request) -> web.Response:
        raise web.HTTPNotFound

    async def leaves(_request: web.Request) -> web.Response:
        raise asyncio.CancelledError

    async def breaks(_request: web.Request) -> web.Response:
        raise RuntimeError

    assert (await count(request, fine)).status == 200
    for handler, error in (
        (missing, web.HTTPNotFound),
        (leaves, asyncio.CancelledError),
        (breaks, RuntimeError),
    ):
        with pytest.raises(error):
            await count(request, handler)
    found = values(metrics)
    codes = {dict(labels)["code"]: n for (name, labels), n in found.items() if name == "scrapes_total"}
    assert codes == {"200": 1, "404": 1, "500": 1, "cancelled": 1}
