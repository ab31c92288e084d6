"""What a proxy tells of itself in Envoy's node metadata."""

from __future__ import annotations

from typing import Any

import pytest

from meshmeter.envoy.proxy import ProxyInfo

FULL = ProxyInfo(
    "default",
    "backend-1",
    "/run/agent.sock",
    "/run/admin.sock",
    "/tls/cert",
    "/tls/key",
    "/run/certificate/sds.json",
    "1.0.0",
    "1.40.0",
)


@pytest.mark.parametrize("proxy", [FULL, ProxyInfo("m", "d", "/a", "/b")])
def test_there_and_back(proxy: ProxyInfo) -> None:
    assert ProxyInfo.from_metadata(proxy.to_metadata()) == proxy


def test_what_is_empty_is_not_told() -> None:
    told = ProxyInfo("m", "d", "/a", "/b").to_metadata()["meshmeter"]
    assert set(told) == {"mesh", "dataplane", "agentSocket", "adminSocket"}


def test_the_node_id() -> None:
    assert FULL.node_id == "default.backend-1"


def test_what_a_newer_agent_adds_is_ignored() -> None:
    metadata = FULL.to_metadata()
    metadata["meshmeter"]["news"] = 1.0
    assert ProxyInfo.from_metadata(metadata) == FULL


@pytest.mark.parametrize(
    ("metadata", "named"),
    [
        ({}, "meshmeter"),
        ({"meshmeter": "x"}, "meshmeter"),
        ({"meshmeter": {}}, "mesh is missing"),
        ({"meshmeter": {"mesh": 1.0}}, "mesh in the node metadata is not text"),
        ({"meshmeter": {**FULL.to_metadata()["meshmeter"], "agentSocket": ""}}, "agentSocket is missing"),
        ({"meshmeter": {**FULL.to_metadata()["meshmeter"], "metricsCertPath": []}}, "metricsCertPath"),
        ({"meshmeter": {**FULL.to_metadata()["meshmeter"], "agentVersion": "v" * 4097}}, "more than 4096"),
    ],
)
def test_a_fault_is_named(metadata: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        ProxyInfo.from_metadata(metadata)
