"""The bootstrap, checked against Envoy's schema."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meshmeter.envoy.bootstrap import build_bootstrap
from meshmeter.envoy.proxy import ProxyInfo
from support.snapshots import normal

PROXY = ProxyInfo("default", "backend-1", "/run/agent.sock", "/run/admin.sock")


def made(host: str = "127.0.0.1") -> dict[str, Any]:
    document = build_bootstrap(PROXY, ads_host=host, ads_port=5678, ca_pem="PEM", token="secret")
    json.dumps(document)
    kind = "type.googleapis.com/envoy.config.bootstrap.v3.Bootstrap"
    return normal({"@type": kind, **document})


def test_who_the_proxy_is() -> None:
    node = made()["node"]
    assert (node["id"], node["cluster"]) == ("default.backend-1", "default")
    assert ProxyInfo.from_metadata(node["metadata"]) == PROXY


def test_the_admin_interface_is_a_private_socket_with_few_paths() -> None:
    admin = made()["admin"]
    assert admin["address"] == {"pipe": {"path": "/run/admin.sock", "mode": 384}}
    assert admin["allowPaths"] == [
        {"exact": "/ready"},
        {"prefix": "/stats"},
        {"prefix": "/drain_listeners"},
    ]


def test_everything_comes_by_one_delta_stream_with_the_token() -> None:
    dynamic = made()["dynamicResources"]
    assert dynamic["ldsConfig"] == dynamic["cdsConfig"] == {"ads": {}, "resourceApiVersion": "V3"}
    ads = dynamic["adsConfig"]
    assert (ads["apiType"], ads["setNodeOnFirstMessageOnly"]) == ("DELTA_GRPC", True)
    (service,) = ads["grpcServices"]
    assert service["initialMetadata"] == [{"key": "authorization", "value": "Bearer secret"}]


@pytest.mark.parametrize(
    ("host", "type", "san", "sni"),
    [
        ("127.0.0.1", "STATIC", {"sanType": "IP_ADDRESS", "matcher": {"exact": "127.0.0.1"}}, None),
        ("FD00::0:1", "STATIC", {"sanType": "IP_ADDRESS", "matcher": {"exact": "fd00::1"}}, None),
        ("cp.example", "LOGICAL_DNS", {"sanType": "DNS", "matcher": {"exact": "cp.example"}}, "cp.example"),
    ],
)
def test_the_control_plane_is_verified(host: str, type: str, san: dict[str, Any], sni: str | None) -> None:
    (cluster,) = made(host)["staticResources"]["clusters"]
    assert cluster["name"] == "ads_cluster"
    assert cluster["type"] == type
    tls = cluster["transportSocket"]["typedConfig"]
    validation = tls["commonTlsContext"]["validationContext"]
    assert validation["trustedCa"] == {"inlineString": "PEM"}
    assert validation["matchTypedSubjectAltNames"] == [san]
    assert tls.get("sni") == sni


def test_connections_are_limited_over_all_and_for_scrapers() -> None:
    (monitor,) = made()["overloadManager"]["resourceMonitors"]
    assert monitor["typedConfig"]["maxActiveDownstreamConnections"] == "50000"
    (layer,) = made()["layeredRuntime"]["layers"]
    assert layer["staticLayer"] == {
        "envoy.resource_limits.listener.kuma:metrics:prometheus.connection_limit": 512.0,
        "envoy.resource_limits.listener.meshmeter:metrics:proxy.connection_limit": 512.0,
    }


def test_labels_that_dashboards_expect() -> None:
    tags = {tag["tagName"]: tag["regex"] for tag in made()["statsConfig"]["statsTags"]}
    assert set(tags) == {"name", "status", "worker", "listener"}
