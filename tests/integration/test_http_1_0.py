"""Scrapers that speak HTTP/1.0: no Host, no chunks, an answer that ends with its connection."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from support.exposition import accepted_by_promtool
from support.processes import ControlPlane, eventually, free_port, samples
from support.proxies import application, dataplane_document, start_proxy

ADDRESS = "127.0.0.3"


def ask(where: tuple[str, int] | Path, request: str) -> tuple[str, str, str]:
    """Status line, the rest of the head, and all that follows until the server closes."""
    family = socket.AF_UNIX if isinstance(where, Path) else socket.AF_INET
    with socket.socket(family) as connection:
        connection.settimeout(60)
        connection.connect(str(where) if isinstance(where, Path) else where)
        connection.sendall(request.replace("\n", "\r\n").encode())
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    head, _, body = answer.decode().partition("\r\n\r\n")
    status, _, fields = head.partition("\r\n")
    return status.split(" ", 1)[1], fields.lower(), body


@pytest.fixture
def proxied(control_plane: ControlPlane) -> tuple[tuple[str, int], tuple[str, int]]:
    """Where the metrics endpoint of a proxy is, and its proxy for scrapers."""
    port = free_port()
    made = dataplane_document("backend", ADDRESS, service_port=application(control_plane, "backend"))
    made["networking"]["metricsProxy"] = {"port": port}
    proxy = start_proxy(control_plane, made).wait()
    return (ADDRESS, proxy.metrics_port), ("127.0.0.1", port)


def test_http_1_0_is_answered_all_the_way(
    control_plane: ControlPlane, proxied: tuple[tuple[str, int], tuple[str, int]]
) -> None:
    endpoint, for_scrapers = proxied
    requests = (
        "GET /metrics HTTP/1.0\n\n",
        "GET /metrics HTTP/1.0\nHost: example.com\nAccept: text/plain\n\n",
        "GET /metrics?usedonly HTTP/1.0\nConnection: close\nAccept-Encoding: identity\n\n",
    )
    for request in requests * 2:  # the second time an answer is streamed, from the agent in chunks
        status, fields, body = ask(endpoint, request)
        assert status == "200 OK" and "transfer-encoding" not in fields
        assert accepted_by_promtool(body.encode()) == ""
        assert samples(body, "envoy_server_live") and set(samples(body, "meshmeter_source_up").values()) == {
            1
        }
    status, fields, body = ask(endpoint, "HEAD /metrics HTTP/1.0\n\n")
    assert status == "200 OK" and body == ""
    assert ask(endpoint, "POST /metrics HTTP/1.0\nContent-Length: 0\n\n")[0].startswith("405")
    assert ask(endpoint, "GET /other HTTP/1.0\n\n")[0].startswith("404")

    url = f"http://{endpoint[0]}:{endpoint[1]}/metrics"

    def through_the_proxy() -> bool:
        status, _, body = ask(for_scrapers, f"GET {url} HTTP/1.0\n\n")
        return status == "200 OK" and bool(samples(body, "envoy_server_live"))

    eventually(through_the_proxy, "the proxy for scrapers")

    discovery = "127.0.0.1", int(control_plane.url("discovery").rpartition(":")[2])
    status, _, body = ask(discovery, "GET /v1/targets HTTP/1.0\n\n")
    assert status == "200 OK" and json.loads(body)[0]["targets"] == [f"{endpoint[0]}:{endpoint[1]}"]
    asked = json.dumps(
        {
            "node": {"id": "prometheus"},
            "typeUrl": "type.googleapis.com/kuma.observability.v1.MonitoringAssignment",
        }
    )
    status, _, body = ask(
        discovery,
        "POST /v3/discovery:monitoringassignments HTTP/1.0\nContent-Type: application/json\n"
        f"Content-Length: {len(asked)}\n\n{asked}",
    )
    assert status == "200 OK" and json.loads(body)["resources"]
    diagnostics = "127.0.0.1", int(control_plane.url("diagnostics").rpartition(":")[2])
    status, fields, body = ask(diagnostics, "GET /metrics HTTP/1.0\n\n")
    assert status == "200 OK" and "transfer-encoding" not in fields and "meshmeter_control_plane_" in body
