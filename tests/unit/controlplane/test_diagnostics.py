from __future__ import annotations

from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from meshmeter.controlplane.diagnostics import Readiness, diagnostics_app
from meshmeter.errors import Unauthenticated


def started() -> Readiness:
    readiness = Readiness()
    readiness.started()
    return readiness


async def test_metrics_are_those_of_the_registry_in_a_format_that_parses() -> None:
    registry = CollectorRegistry()
    Counter("things", 'Says "more"\nthan one line.', ["kind"], registry=registry).labels('a"b\n').inc(3)
    async with TestClient(TestServer(diagnostics_app(registry, started()))) as client:
        answer = await client.get("/metrics")
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        families = {f.name: f for f in text_string_to_metric_families(await answer.text())}
    assert families["things"].samples[0].value == 3


async def test_ready_follows_the_start_and_the_checks_and_healthy_does_not() -> None:
    readiness = started()
    away = ["away, serving what was known 3 s ago"]
    readiness.check("store", lambda: away[0] if away else None)
    async with TestClient(TestServer(diagnostics_app(CollectorRegistry(), readiness))) as client:
        unready = await client.get("/ready")
        assert unready.status == 503
        assert await unready.json() == {"status": "not ready", "reasons": {"store": away[0]}}
        assert (await client.get("/healthy")).status == 200
        away.clear()
        ready = await client.get("/ready")
        assert (ready.status, await ready.json()) == (200, {"status": "ready"})


async def test_a_start_says_what_it_is_at() -> None:
    readiness = Readiness()
    readiness.starting("opening the store")
    async with TestClient(TestServer(diagnostics_app(CollectorRegistry(), readiness))) as client:
        answer = await client.get("/ready")
        assert answer.status == 503
        assert await answer.json() == {"status": "starting", "reasons": {"start": "opening the store"}}
        assert (await client.get("/healthy")).status == 200


async def test_what_costs_no_readiness_is_told() -> None:
    readiness = started()
    readiness.remark(lambda: ["one row is odd"])
    async with TestClient(TestServer(diagnostics_app(CollectorRegistry(), readiness))) as client:
        answer = await client.get("/ready")
        assert (answer.status, await answer.json()) == (
            200,
            {"status": "ready", "findings": ["one row is odd"]},
        )


async def test_other_paths_have_the_common_error() -> None:
    async with TestClient(TestServer(diagnostics_app(CollectorRegistry(), started()))) as client:
        answer = await client.get("/debug")
        assert answer.status == 404 and (await answer.json())["type"] == "/std-errors"
        refused = await client.post("/ready")
        assert refused.status == 405 and refused.headers["Allow"] == "GET,HEAD"


async def test_who_may_not_read_metrics_is_refused_and_still_may_ask_for_health() -> None:
    def nobody(_request: object) -> None:
        raise Unauthenticated("send a token")

    app = diagnostics_app(CollectorRegistry(), started(), nobody)
    async with TestClient(TestServer(app)) as client:
        assert (await client.get("/metrics")).status == 401
        assert (await client.get("/healthy")).status == 200
        assert (await client.get("/ready")).status == 200
