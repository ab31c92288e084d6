"""A real Prometheus stores of an application what it stores of it through a real Envoy and the agent.

Every application is scraped both ways by one Prometheus, again and again. Sample for sample the same is expected, apart
from what `support.met_in_life` states to be counted.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Set
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from meshmeter.effective.metrics import effective_metrics
from meshmeter.envoy import clusters
from meshmeter.envoy.metrics_listener import metrics_listener
from meshmeter.envoy.proxy import ProxyInfo
from support.envoy_process import until
from support.many_clusters import running_envoy
from support.met_in_life import Application, applications
from support.processes import Processes, free_port
from support.prometheus import Prometheus, start_prometheus
from support.resources import dataplane, metered
from support.sources import agent, at, serving

Row = tuple[tuple[tuple[str, str], ...], str, float | None]
"""Labels, value, and the time where it is the application's."""


@pytest.mark.parametrize("openmetrics", [False, True], ids=["text", "OpenMetrics"])
async def test_the_same_samples(tmp_path: Path, processes: Processes, openmetrics: bool) -> None:
    """In OpenMetrics those that speak text are in the answer too."""
    now = time.time()
    kinds = {key: each for key, each in applications(now).items() if openmetrics or not each.openmetrics}
    async with AsyncExitStack() as stack:
        ports = {
            key: (
                await stack.enter_async_context(serving(each.respond)),
                await stack.enter_async_context(serving(applications(now)[key].respond)),
            )
            for key, each in kinds.items()
        }
        port, socket = free_port(), tmp_path / "agent.sock"
        effective = effective_metrics(metered(port=port), dataplane(address="127.0.0.1"))
        assert effective is not None
        proxy = ProxyInfo("default", "web-1", str(socket), str(tmp_path / "admin.sock"))
        listener = metrics_listener(effective, "127.0.0.1", proxy)
        cluster = clusters.metrics_cluster(str(socket))
        assert listener is not None
        del listener["@type"], cluster["@type"]
        admin = stack.enter_context(running_envoy(tmp_path, 4, listener=listener, more=[cluster]))
        sources = [at(through, key) for key, (_, through) in ports.items()]
        await stack.enter_async_context(agent(tmp_path, admin, *sources))
        targets = {f"directly {key}": directly for key, (directly, _) in ports.items()} | {"through": port}
        config = {
            "global": {"scrape_interval": "2s", "scrape_timeout": "2s"},
            "scrape_configs": [
                {
                    "job_name": name,
                    "static_configs": [{"targets": [f"127.0.0.1:{number}"], "labels": {"dataplane": name}}],
                }
                for name, number in targets.items()
            ],
        }
        prometheus = await asyncio.to_thread(
            start_prometheus, processes, tmp_path / "prometheus", json.dumps(config)
        )

        refused = {f"directly {key}" for key, each in kinds.items() if each.refused}
        ups = {name: 0.0 if name in refused else 1.0 for name in targets}

        def are_scraped() -> bool:
            assert prometheus.query("up") == ups, prometheus.errors()
            return prometheus.query("count_over_time(up[5m])")["through"] > 2

        await until(
            lambda: asyncio.to_thread(are_scraped), "all to be up, but for those that are refused", 60.0
        )
        faults = [
            fault
            for key, each in kinds.items()
            for fault in await asyncio.to_thread(_faults, prometheus, key, each, now)
        ]
    assert not faults, "\n".join(faults)


def _faults(prometheus: Prometheus, key: str, each: Application, now: float) -> list[str]:
    """What is not as it has to be."""
    faults = []
    through = _rows(prometheus, "through", key, now)
    selector = (
        f'{{__name__=~"meshmeter_source_dropped_samples|meshmeter_source_lost_details",source="{key}"}}'
    )
    counted = prometheus.query(selector, "reason")
    if counted != dict(each.counted):
        faults.append(f"{key}: counted {counted}, not {each.counted}")
    if prometheus.query(f'meshmeter_source_up{{source="{key}"}}', "source") != {key: 1}:
        faults.append(f"{key}: not up")
    if each.refused:
        if len({labels for labels, _, _ in through}) != each.through:
            faults.append(f"{key}: {through}, which are not {each.through} series")
        return faults
    directly = _rows(prometheus, f"directly {key}", key, now)
    if not directly or not directly <= through:
        faults.append(f"{key}: only directly {directly - through} of {directly}")
    more = {row for row in through - directly if ("le", "+Inf") not in row[0]}
    if len(more) > each.counted.get("timestamp", 0) or len(through - directly - more) != each.added:
        faults.append(f"{key}: only through us {through - directly}")
    return faults


def _rows(prometheus: Prometheus, job: str, key: str, now: float) -> Set[Row]:
    """What is stored of an application. Times before the test began are the application's; others are of the scrape."""
    return {
        (
            tuple(sorted((k, v) for k, v in labels.items() if k not in ("job", "instance", "dataplane"))),
            value,
            when if when < now else None,
        )
        for labels, when, value in prometheus.points(f'{{__name__=~"k_{key}_.*|k_{key}",job="{job}"}}')
    }
