"""Names that users see in metrics (kuma-facts 6.3)."""

from __future__ import annotations

import pytest

from meshmeter.envoy import names


def test_names() -> None:
    assert names.inbound_listener("192.168.0.1", 80) == "inbound:192.168.0.1:80"
    assert names.inbound_listener("fd00::1", 80) == "inbound:[fd00::1]:80"
    assert names.outbound_listener("127.0.0.1", 10001) == "outbound:127.0.0.1:10001"
    assert names.local_cluster(8080) == "localhost:8080"
    assert names.local_cluster_at("::1", 8080) == "localhost:[::1]:8080"
    assert names.inbound_route("web") == "inbound:web"
    assert names.outbound_route("web") == "outbound:web"


@pytest.mark.parametrize(
    ("name", "stat"),
    [
        ("localhost:8080", "localhost_8080"),
        ("web_ns_svc_80", "web_ns_svc_80"),
        ("web-1.v2/x", "web-1_v2_x"),
        ("ünï.dot", "_n__dot"),
        (names.METRICS_LISTENER, "kuma_metrics_prometheus"),
        (names.METRICS_CLUSTER, "kuma_metrics_hijacker"),
        (names.ADS_CLUSTER, "ads_cluster"),
    ],
)
def test_stat_names(name: str, stat: str) -> None:
    assert names.stat_name(name) == stat


def test_a_service_alone_is_its_own_name() -> None:
    assert names.service_cluster({"kuma.io/service": "web"}) == "web"


def test_more_tags_append_a_hash_of_all_of_them_in_any_order() -> None:
    one = names.service_cluster({"kuma.io/service": "web", "version": "1"})
    other = names.service_cluster({"version": "1", "kuma.io/service": "web"})
    assert one == other
    # sha256 of "kuma.io/serviceweb" + "version1"
    assert one == "web-91642e14b96057cb"
    assert one != names.service_cluster({"kuma.io/service": "web", "version": "2"})
