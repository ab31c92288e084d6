from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from meshmeter import __version__
from meshmeter.controlplane.self_metrics import SelfMetrics

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"
PREFIX = "meshmeter_control_plane_"


def value(metrics: SelfMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(PREFIX + name, labels)


def test_the_version_is_told() -> None:
    assert value(SelfMetrics(), "build_info", version=__version__) == 1


def test_two_in_one_process_do_not_meet() -> None:
    one, other = SelfMetrics(), SelfMetrics()
    one.store_errors.inc()
    assert value(one, "store_errors_total") == 1
    assert value(other, "store_errors_total") == 0


def test_rounds_of_the_reconciler_are_counted() -> None:
    metrics = SelfMetrics()
    metrics.reconciled(0.02, 3)
    metrics.reconciled(0.5, 2)
    assert value(metrics, "reconciled_proxies_total") == 5
    assert value(metrics, "reconcile_duration_seconds_count") == 2
    assert value(metrics, "reconcile_duration_seconds_sum") == pytest.approx(0.52)


def test_gauges_are_read_when_they_are_scraped() -> None:
    metrics = SelfMetrics()
    state = {"connected": 1, "revision": 7}
    metrics.watch(
        connected=lambda: state["connected"],
        revision=lambda: state["revision"],
        snapshot_age=lambda: 2.5,
        targets=lambda: 4,
        unreadable=lambda: 3,
        store_faulty=lambda: 1,
    )
    assert value(metrics, "connected_proxies") == 1
    state["connected"] = 2
    assert value(metrics, "connected_proxies") == 2
    assert value(metrics, "store_revision") == 7
    assert value(metrics, "snapshot_age_seconds") == 2.5
    assert value(metrics, "discovery_targets") == 4
    assert value(metrics, "unreadable_resources") == 3
    assert value(metrics, "store_faulty") == 1


def test_certificates_come_and_go() -> None:
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    provided, authorities = {("shop", "web"): moment}, {"shop": moment}
    metrics = SelfMetrics()
    metrics.watch_certificates(lambda: provided, lambda: authorities)
    names = "provided_certificate_expiry_timestamp_seconds", "mesh_ca_expiry_timestamp_seconds"
    assert value(metrics, names[0], mesh="shop", dataplane="web") == moment.timestamp()
    assert value(metrics, names[1], mesh="shop") == moment.timestamp()
    provided.clear()
    assert value(metrics, names[0], mesh="shop", dataplane="web") is None


async def test_answers_are_counted_by_server_method_and_status() -> None:
    async def handle(_request: web.Request) -> web.Response:
        return web.Response()

    metrics, app = SelfMetrics(), web.Application()
    app.router.add_get("/", handle)
    metrics.count_requests(app, "api")
    async with TestClient(TestServer(app)) as client:
        for path in ("/", "/", "/none"):
            await client.get(path)
        await client.request("PROPFIND", "/")
    assert value(metrics, "http_requests_total", server="api", method="GET", code="200") == 2
    assert value(metrics, "http_requests_total", server="api", method="GET", code="404") == 1
    assert value(metrics, "http_requests_total", server="api", method="other", code="405") == 1


def test_every_own_metric_has_the_prefix_and_is_documented() -> None:
    metrics = SelfMetrics()
    metrics.watch(
        connected=lambda: 0,
        revision=lambda: 0,
        snapshot_age=lambda: 0,
        targets=lambda: 0,
        unreadable=lambda: 0,
        store_faulty=lambda: 0,
    )
    metrics.watch_certificates(dict, dict)
    own = [f for f in metrics.registry.collect() if not f.name.startswith(("python_", "process_"))]
    assert len(own) > 10 and all(family.name.startswith(PREFIX) for family in own)
    names = {family.name + {"counter": "_total", "info": "_info"}.get(family.type, "") for family in own}
    text = OPERATIONS.read_text()
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []
