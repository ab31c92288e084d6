"""What is told to Prometheus, agents and Envoys, and when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from meshmeter.controlplane.reconcile.results import Results
from meshmeter.effective.view import MeshView
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.pipeline import CompiledProxy, compile_proxy
from meshmeter.xds.cache import SnapshotCache
from support.resources import dataplane, mesh, metered

KEY = ("default", "backend-1")
PROXY = ProxyInfo(*KEY, "/run/a.sock", "/run/e.sock")


def compiled(the_mesh: Any, proxy: ProxyInfo | None = PROXY, **conf: Any) -> CompiledProxy:
    made = dataplane(conf=conf) if conf else dataplane()
    return compile_proxy(MeshView(the_mesh, {made.name: made}), made, proxy)


def test_all_three_are_told() -> None:
    cache = SnapshotCache()
    results = Results(cache)
    result = compiled(metered())
    config = results.agent_config(KEY)
    assert config.value is None and results.compiled(KEY) is None
    results.publish(KEY, result)
    assert results.compiled(KEY) is result and results.proxies() == {KEY}
    assert config.value == result.agent_config
    assert cache.get(*KEY) is result.snapshot is not None
    assert results.assignments.value.assignments == ()
    results.publish_assignments()
    assert results.assignments.value.assignments == (result.assignment,)


def test_equal_results_are_told_to_nobody() -> None:
    cache = SnapshotCache()
    results = Results(cache)
    results.publish(KEY, compiled(metered()))
    results.publish_assignments()
    config, assignments = results.agent_config(KEY).value, results.assignments.value
    woken: list[None] = []
    cache.watch(*KEY, lambda: woken.append(None))
    results.publish(KEY, compiled(metered()))
    results.publish_assignments()
    assert results.agent_config(KEY).value is config
    assert results.assignments.value is assignments
    assert not woken
    results.publish(KEY, compiled(metered(), envoy={"usedOnly": True}))
    assert results.agent_config(KEY).value is not config


def test_metrics_that_go_off_are_a_target_no_more() -> None:
    results = Results(SnapshotCache())
    results.publish(KEY, compiled(metered()))
    results.publish_assignments()
    results.publish(KEY, compiled(mesh()))
    results.publish_assignments()
    assert results.assignments.value.assignments == ()


def test_a_dataplane_that_goes_is_gone_everywhere_but_for_whom_waits() -> None:
    cache = SnapshotCache()
    results = Results(cache)
    config = results.agent_config(KEY)
    results.publish(KEY, compiled(metered()))
    results.publish_assignments()
    results.withdraw(KEY)
    results.publish_assignments()
    assert results.compiled(KEY) is None and not results.proxies()
    assert cache.get(*KEY) is None
    assert config.value is None and results.awaited() == {KEY}
    assert results.assignments.value.assignments == ()
    results.forget_awaited(KEY)
    assert not results.awaited()


def test_a_proxy_that_has_gone_has_no_snapshot() -> None:
    cache = SnapshotCache()
    results = Results(cache)
    results.publish(KEY, compiled(metered()))
    results.publish(KEY, replace(compiled(metered()), snapshot=None))
    assert cache.get(*KEY) is None
