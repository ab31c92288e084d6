"""The forward proxy of a Prometheus beside its sidecar. What Envoy does with it: tests/integration."""

from __future__ import annotations

from typing import Any

from meshmeter.effective.targets import MetricsTarget
from meshmeter.effective.transport import Transport
from meshmeter.envoy.metrics_proxy import metrics_proxy
from support.snapshots import normal

TLS = {
    "name": "envoy.transport_sockets.tls",
    "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": "x",
    },
}


def target(
    address: str, transport: Transport = Transport.PLAIN, path: str = "/metrics", port: int = 5670
) -> MetricsTarget:
    return MetricsTarget(address, port, path, transport)


def hosts(*targets: MetricsTarget, tls: dict[str, Any] | None = TLS) -> dict[str, list[str]]:
    """Domains to what is routed for them: path and cluster."""
    routes = normal(metrics_proxy("127.0.0.1", 15100, targets, tls).routes)
    return {
        " ".join(host["domains"]): [
            f"{route['match']['path']} {route['route']['cluster']}"
            for route in host["routes"]
            if "route" in route
        ]
        for host in routes["virtualHosts"]
    }


def test_the_listener_gets_its_routes_by_rds() -> None:
    listener = normal(metrics_proxy("127.0.0.9", 15100, [], None).listener)
    assert listener["address"] == {"socketAddress": {"address": "127.0.0.9", "portValue": 15100}}
    (chain,) = listener["filterChains"]
    manager = chain["filters"][0]["typedConfig"]
    assert manager["rds"]["routeConfigName"] == "meshmeter:metrics:proxy" and "routeConfig" not in manager
    assert (
        manager["httpProtocolOptions"]["allowAbsoluteUrl"] and manager["httpProtocolOptions"]["acceptHttp10"]
    )


def test_without_targets_everything_is_refused() -> None:
    made = metrics_proxy("127.0.0.1", 15100, [], TLS)
    (host,) = normal(made.routes)["virtualHosts"]
    assert host["domains"] == ["*"]
    assert host["routes"][0]["directResponse"]["status"] == 403
    assert made.clusters == ()


def test_targets_that_are_reached_alike_share_a_host_so_that_thousands_stay_small() -> None:
    many = [target(f"10.0.{i // 250}.{i % 250}", Transport.MTLS) for i in range(1000)]
    found = hosts(*many, target("10.1.0.1"), target("fd00::1"), target("10.1.0.2", path="/m"))
    assert len(found) == 4
    assert found["10.1.0.1:5670 [fd00::1]:5670"] == ["/metrics meshmeter:metrics:plain"]
    assert found["10.1.0.2:5670"] == ["/m meshmeter:metrics:plain"]
    assert found["*"] == []
    (thousand,) = (routes for domains, routes in found.items() if len(domains.split()) == 1000)
    assert thousand == ["/metrics meshmeter:metrics:mtls"]


def test_reads_of_the_path_are_forwarded_and_other_methods_told() -> None:
    routes = normal(metrics_proxy("127.0.0.1", 1, [target("10.0.0.1")], None).routes)
    scrape, others = routes["virtualHosts"][0]["routes"]
    assert scrape["match"]["headers"][0]["stringMatch"]["safeRegex"]["regex"] == "GET|HEAD"
    assert scrape["route"]["timeout"] == "90s"
    assert others["directResponse"]["status"] == 405


def test_the_target_of_a_connection_is_the_authority_and_mtls_has_the_tls_of_the_mesh() -> None:
    made = metrics_proxy("127.0.0.1", 1, [target("10.0.0.1"), target("10.0.0.2", Transport.MTLS)], TLS)
    plain, mtls = map(normal, made.clusters)
    for cluster in (plain, mtls):
        assert (cluster["type"], cluster["lbPolicy"]) == ("ORIGINAL_DST", "CLUSTER_PROVIDED")
        assert cluster["originalDstLbConfig"] == {"useHttpHeader": True, "httpHeaderName": ":authority"}
    assert "transportSocket" not in plain
    assert mtls["transportSocket"]["name"] == "envoy.transport_sockets.tls"


def test_without_an_identity_what_is_behind_mtls_is_not_reached_in_plain() -> None:
    assert hosts(target("10.0.0.1", Transport.MTLS), tls=None) == {"*": []}


def test_two_claims_on_one_address_are_tried_with_mtls_first() -> None:
    found = hosts(target("10.0.0.1"), target("10.0.0.1", Transport.MTLS))
    assert found["10.0.0.1:5670"] == [
        "/metrics meshmeter:metrics:mtls",
        "/metrics meshmeter:metrics:plain",
    ]


def test_a_name_is_a_problem_and_costs_only_itself() -> None:
    made = metrics_proxy("127.0.0.1", 1, [target("db.example"), target("10.0.0.1")], None)
    assert len(made.problems) == 1 and "db.example" in made.problems[0]
    assert len(normal(made.routes)["virtualHosts"]) == 2
