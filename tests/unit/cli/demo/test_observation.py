"""What the demo reads out of a scrape, and when it is content."""

from __future__ import annotations

from dataclasses import replace

from meshmeter.cli.demo.observation import Observation, Target, measure

BODY = b"""\
# TYPE envoy_cluster_upstream_rq_total counter
envoy_cluster_upstream_rq_total{envoy_cluster_name="backend",kuma_io_mesh_traffic="true"} 3
envoy_cluster_upstream_rq_total{envoy_cluster_name="localhost_80",kuma_io_mesh_traffic="true"} 4
envoy_cluster_upstream_rq_total{envoy_cluster_name="ads_cluster"} 100
# TYPE demo_requests_total counter
demo_requests_total{code="200",service="frontend"} 5
# TYPE meshmeter_source_up gauge
meshmeter_source_up{source="envoy"} 1
"""


def test_a_body_is_counted_by_whose_samples_they_are() -> None:
    seen = measure("frontend", "http://127.0.0.2:5670/metrics", BODY, "up")
    assert seen.upstream_requests == 7  # Envoy's own clusters do not count
    assert seen.application_requests == 5
    assert (seen.proxy_samples, seen.application_samples) == (3, 1)
    assert seen.lacks(with_prometheus=True) == []


def test_whatever_lacks_is_said() -> None:
    assert measure("a", "u", b"", "down").lacks(with_prometheus=True) == [
        "a: envoy_cluster_upstream_rq_total is not above zero",
        "a: the application's demo_requests_total is not above zero",
        "a: Prometheus says down",
    ]
    assert Target("a", "u", error="status 503").lacks(with_prometheus=True) == ["a: u: status 503"]


def test_a_target_that_answers_strangers_is_not_right() -> None:
    seen = replace(measure("a", "https://a", BODY, "up"), is_open=True)
    assert seen.lacks(with_prometheus=True) == ["a: https://a answers without a certificate"]


def test_prometheus_is_not_asked_for_when_it_does_not_run() -> None:
    both = tuple(measure(name, "u", BODY, "") for name in ("backend", "frontend"))
    assert Observation(both).lacks(with_prometheus=False) == []
    assert Observation(both).lacks(with_prometheus=True) == [
        "backend: Prometheus says nothing of it",
        "frontend: Prometheus says nothing of it",
    ]


def test_a_proxy_that_is_no_target_is_missed() -> None:
    assert Observation(()).lacks(with_prometheus=False) == [
        "backend: not in the target list",
        "frontend: not in the target list",
    ]
    assert Observation((), "http://x: refused").lacks(with_prometheus=False) == ["http://x: refused"]
