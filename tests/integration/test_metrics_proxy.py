"""A Prometheus beside its own sidecar: the forward proxy to the metrics endpoints of the mesh, on real Envoys."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from support.processes import ControlPlane, document, eventually, free_port, get, samples
from support.proxies import Proxy, application, dataplane_document, start_proxy
from support.proxying import through

SCRAPER = "127.0.0.2"
BACKEND = "127.0.0.3"


def scraper(control_plane: ControlPlane) -> tuple[Proxy, int]:
    """A data plane for a Prometheus: no inbound traffic of interest, and a metrics proxy."""
    port = free_port()
    made = dataplane_document("prometheus", SCRAPER, service_port=application(control_plane, "prometheus"))
    made["networking"]["metricsProxy"] = {"port": port}
    proxy = start_proxy(control_plane, made).wait()
    return proxy, port


def backend(control_plane: ControlPlane, **changes: Any) -> Proxy:
    service_port = application(control_plane, "backend")
    made = dataplane_document("backend", BACKEND, service_port=service_port)
    made["metrics"]["conf"] |= changes
    return start_proxy(control_plane, made).wait()


@pytest.fixture
def proxied(control_plane: ControlPlane) -> tuple[Proxy, Proxy, int]:
    target = backend(control_plane)
    beside, port = scraper(control_plane)
    eventually(lambda: through(port, target.metrics_url)[0] == 200, "the metrics proxy to answer")
    return target, beside, port


def test_it_reaches_every_endpoint_of_the_mesh_its_own_included(proxied: tuple[Proxy, Proxy, int]) -> None:
    target, beside, port = proxied
    for each in (target, beside):
        status, body = through(port, each.metrics_url)
        assert status == 200 and samples(body, "envoy_server_live")
    status, body = through(port, f"{target.metrics_url}?filter=server.live")
    assert status == 200 and samples(body, "envoy_server_live") and "envoy_cluster" not in body
    assert through(port, target.metrics_url, method="HEAD")[0] == 200


def test_it_reaches_nothing_else(proxied: tuple[Proxy, Proxy, int], control_plane: ControlPlane) -> None:
    target, _, port = proxied
    host = f"{BACKEND}:{target.metrics_port}"
    assert through(port, f"http://{host}/metrics", method="POST")[0] == 405
    for url in (
        f"http://{host}/",
        f"http://{host}/metricsx",
        f"http://{host}/metrics/",
        f"http://{host}/%6detrics/..",
    ):
        status, _ = through(port, url)
        assert status == 404, url
    for url in (
        f"http://{BACKEND}:{target.document['networking']['inbound'][0]['port']}/metrics",
        f"http://127.0.0.1:{control_plane.ports['diagnostics']}/metrics",
        "http://169.254.169.254/latest/meta-data",
        "http://169.254.169.254:80/metrics",
        "http://example.com/metrics",
        "/metrics",
    ):
        status, body = through(port, url)
        assert status == 403 and "not a metrics endpoint" in body, url
    # The URL counts, not the Host header; and no header chooses the target.
    other = f"127.0.0.1:{control_plane.ports['diagnostics']}"
    assert through(port, f"http://{other}/metrics", authority=host)[0] == 403
    status, body = through(port, f"http://{host}/metrics", authority=other)
    assert status == 200 and samples(body, "envoy_server_live")
    # There is no tunnel.
    assert through(port, host, method="CONNECT")[0] in (403, 404, 405)


def test_it_is_for_this_host_only(proxied: tuple[Proxy, Proxy, int], control_plane: ControlPlane) -> None:
    _, beside, port = proxied
    with pytest.raises(OSError):
        get(f"http://{SCRAPER}:{port}/", timeout=2)
    changed = deepcopy(beside.document)
    changed["networking"]["metricsProxy"]["address"] = "0.0.0.0"
    refused = control_plane.run("apply", "-f", "-", stdin=document(**changed))
    assert refused.returncode == 1
    assert "networking.metricsProxy.address: must be a loopback address" in refused.stderr


def test_it_follows_the_mesh_live(proxied: tuple[Proxy, Proxy, int], control_plane: ControlPlane) -> None:
    target, beside, port = proxied
    changed = deepcopy(target.document)
    conf = changed["metrics"]["conf"]
    conf["port"], conf["path"] = free_port(BACKEND), "/stats/prometheus"
    control_plane.ok("apply", "-f", "-", stdin=document(**changed))
    url = f"http://{BACKEND}:{conf['port']}/stats/prometheus"
    eventually(lambda: through(port, url)[0] == 200, "the new port and path")
    eventually(lambda: through(port, target.metrics_url)[0] == 403, "the old port and path to be unknown")
    target.process.stop()
    eventually(lambda: through(port, url)[0] == 403, "a proxy that left to be unknown")
    assert through(port, beside.metrics_url)[0] == 200
    moved = deepcopy(beside.document)
    new = moved["networking"]["metricsProxy"]["port"] = free_port()
    control_plane.ok("apply", "-f", "-", stdin=document(**moved))
    eventually(lambda: through(new, beside.metrics_url)[0] == 200, "the metrics proxy on its new port")

    def is_closed() -> bool:
        try:
            through(port, beside.metrics_url)
        except OSError:
            return True
        return False

    eventually(is_closed, "the old port of the metrics proxy to close")
