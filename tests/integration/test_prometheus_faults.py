"""A real Prometheus scrapes, through a real Envoy, a proxy whose applications misbehave in every way."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from meshmeter.effective.metrics import effective_metrics
from meshmeter.envoy import clusters
from meshmeter.envoy.metrics_listener import metrics_listener
from meshmeter.envoy.proxy import ProxyInfo
from support.envoy_process import until
from support.many_clusters import running_envoy
from support.processes import Processes, free_port
from support.prometheus import Prometheus, start_prometheus
from support.resources import dataplane, metered
from support.sources import BLEMISHES, FAULTS, GOOD, Respond, agent, answer, at, patience, serving

OPENMETRICS = answer(
    b"# TYPE good counter\n# HELP good Help.\n"
    b'good_total 1 # {trace_id="x"} 1 1700000000\ngood_created 1700000000\n# EOF\n',
    "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8",
)
INTERVAL = "6s"


@pytest.mark.parametrize(
    ("good", "speaks"),
    [(answer(GOOD), "text/plain"), (OPENMETRICS, "application/openmetrics-text")],
    ids=["text", "OpenMetrics"],
)
async def test_everything_that_is_well_is_there(
    tmp_path: Path, processes: Processes, good: Respond, speaks: str
) -> None:
    accepts: list[bytes] = []
    async with AsyncExitStack() as stack:
        sources = [at(await stack.enter_async_context(serving(good, seen=accepts.append)), "good")]
        for name, (respond, reason) in {**FAULTS, **BLEMISHES}.items():
            served = await stack.enter_async_context(serving(respond))
            # What is too long is so after a MiB already: reading more only takes time from the others.
            sources.append(at(served, name, timeout=patience(reason), body_bytes=1 << 20))
        port = free_port()
        socket = tmp_path / "agent.sock"
        proxy = ProxyInfo("default", "odd", str(socket), str(tmp_path / "admin.sock"))
        effective = effective_metrics(metered(port=port), dataplane(address="127.0.0.1"))
        assert effective is not None
        listener, cluster = (
            metrics_listener(effective, "127.0.0.1", proxy),
            clusters.metrics_cluster(str(socket)),
        )
        assert listener is not None
        del listener["@type"], cluster["@type"]
        admin = stack.enter_context(running_envoy(tmp_path, 8, listener=listener, more=[cluster]))
        scraped = await stack.enter_async_context(agent(tmp_path, admin, *sources, agent_metrics=True))
        assert (await scraped.scrape(Accept=f"{speaks};version=1.0.0"))[2]["Content-Type"].startswith(speaks)

        config = {
            "global": {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL},
            "scrape_configs": [
                {
                    "job_name": "proxy",
                    "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": {"dataplane": "odd"}}],
                }
            ],
        }
        prometheus = await asyncio.to_thread(
            start_prometheus, processes, tmp_path / "prometheus", json.dumps(config)
        )
        await until(lambda: asyncio.to_thread(_is_read, prometheus), "a scrape with what is well", 120.0)
        await asyncio.to_thread(_check, prometheus)
    assert any(b"application/openmetrics-text" in head for head in accepts), "Prometheus offers both formats"


def _is_read(prometheus: Prometheus) -> bool:
    """Whether there was a scrape in which no source was given up only because the machine has much else to do."""
    assert prometheus.errors() == {"odd": ""}
    reasons = prometheus.query("count by (reason) (meshmeter_source_error)", "reason")
    return reasons == Counter(reason for _, reason in FAULTS.values()) and bool(
        prometheus.query("good_total")
    )


def _check(prometheus: Prometheus) -> None:
    assert prometheus.query("good_total") == prometheus.query("envoy_server_live") == {"odd": 1}
    services = prometheus.query("envoy_cluster_membership_total", "envoy_cluster_name")
    assert services["backend-0_demo_svc_8080"] == services["backend-1_demo_svc_8080"] == 4
    assert prometheus.query("meshmeter_source_up", "source") == {
        "envoy": 1,
        "good": 1,
        **dict.fromkeys(FAULTS, 0),
        **dict.fromkeys(BLEMISHES, 1),
    }
    for reason in {reason for _, reason in FAULTS.values()}:
        found = prometheus.query(f'meshmeter_source_error{{reason="{reason}"}}', "source")
        assert found == {name: 1 for name, (_, each) in FAULTS.items() if each == reason}
    for name, (_, reason) in BLEMISHES.items():
        dropped = prometheus.query(f'meshmeter_source_dropped_samples{{source="{name}"}}', "reason")
        assert dropped.pop("duplicate_series") == 1, "the series that all of them have"
        assert set(dropped) == {reason}
    assert prometheus.query("meshmeter_agent_control_plane_connected") == {"odd": 0}
    assert prometheus.query('meshmeter_agent_fetches_total{result="ok"}', "source").keys() == {
        "envoy",
        "good",
        *BLEMISHES,
    }
