from __future__ import annotations

from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from meshmeter.controlplane.diagnostics import diagnostics_app
from meshmeter.errors import Unauthenticated


async def test_metrics_are_those_of_the_registry_in_a_format_that_parses() -> None:
    registry = CollectorRegistry()
    Counter("things", 'Says "more"\nthan one line.', ["kind"], registry=registry).labels('a"b\n').inc(3)
    async with TestClient(TestServer(diagnostics_app(registry, dict))) as client:
        answer = await client.get("/metrics")
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        families = {f.name: f for f in text_string_to_metric_families(await answer.text())}
    assert families["things"].samples[0].value == 3


async def test_ready_follows_the_reasons_and_healthy_does_not() -> None:
    reasons = {"store": "away, serving what was known 3 s ago"}
    async with TestClient(TestServer(diagnostics_app(CollectorRegistry(), lambda: reasons))) as client:
        unready = await client.get("/ready")
        assert unready.status == 503
        assert await unready.json() == {"status": "not ready", "reasons": reasons}
        assert (await client.get("/healthy")).status == 200
        reasons.clear()
        ready = await client.get("/ready")
        assert (ready.status, await ready.json()) == (200, {"status": "ready"})


async def test_other_paths_have_the_common_error() -> None:
    async with TestClient(TestServer(diagnostics_app(CollectorRegistry(), dict))) as client:
        answer = await client.get("/debug")
        assert answer.status == 404 and (await answer.json())["type"] == "/std-errors"
        refused = await client.post("/ready")
        assert refused.status == 405 and refused.headers["Allow"] == "GET,HEAD"


async def test_who_may_not_read_metrics_is_refused_and_still_may_ask_for_health() -> None:
    def nobody(_request: object) -> None:
        raise Unauthenticated("send a token")

    app = diagnostics_app(CollectorRegistry(), dict, nobody)
    async with TestClient(TestServer(app)) as client:
        assert (await client.get("/metrics")).status == 401
        assert (await client.get("/healthy")).status == 200
        assert (await client.get("/ready")).status == 200
