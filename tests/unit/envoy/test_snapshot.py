"""Everything one Envoy is to have."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from meshmeter.effective.credentials import Credentials, Identity
from meshmeter.effective.metrics import effective_metrics
from meshmeter.effective.targets import MetricsTarget
from meshmeter.effective.tls_stage import TlsStage
from meshmeter.effective.transport import Transport
from meshmeter.effective.view import MeshView
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.envoy.snapshot import build_snapshot
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import Resource
from meshmeter.xds.snapshot import Snapshot
from meshmeter.xds.types import CLUSTER, ENDPOINTS, LISTENER, ROUTES
from support.resources import dataplane, mesh, metered
from support.snapshots import documents

PROXY = ProxyInfo("default", "backend-1", "/a.sock", "/b.sock")


def built(
    made: Resource[DataplaneSpec], *peers: Resource[DataplaneSpec], of: Resource[MeshSpec] | None = None
) -> Snapshot:
    of = of or mesh("default")
    view = MeshView(of, {d.name: d for d in (made, *peers)})
    return build_snapshot(view, made, effective_metrics(of, made), PROXY)


def names(snapshot: Snapshot, type_url: str) -> set[str]:
    return set(snapshot.of(type_url))


def inbound(port: int = 80, service_port: int = 8080, **fields: Any) -> dict[str, Any]:
    return {"port": port, "servicePort": service_port, "tags": {"kuma.io/service": "backend"}, **fields}


def test_inbound_outbound_and_metrics() -> None:
    calls = [{"port": 10001, "tags": {"kuma.io/service": "web"}}]
    peer = dataplane("web-1", address="10.0.0.2", inbound=[{"port": 80, "tags": {"kuma.io/service": "web"}}])
    snapshot = built(dataplane(inbound=[inbound()], outbound=calls), peer, of=metered())
    assert names(snapshot, LISTENER) == {
        "inbound:192.168.0.1:80",
        "outbound:127.0.0.1:10001",
        "kuma:metrics:prometheus",
    }
    assert names(snapshot, CLUSTER) == {"localhost:8080", "web", "kuma:metrics:hijacker"}
    assert names(snapshot, ENDPOINTS) == {"web"}
    assert snapshot.problems == ()


def test_nothing_to_serve_is_an_empty_snapshot() -> None:
    snapshot = built(dataplane(inbound=[]))
    assert not any(snapshot.resources.values())


@pytest.mark.parametrize("metrics", [metered(mtls=True), metered(mtls=True, tls={"mode": "providedTLS"})])
def test_a_mesh_with_mtls_opens_nothing_in_plain(metrics: Resource[MeshSpec]) -> None:
    calls = [{"port": 10001, "tags": {"kuma.io/service": "web"}}]
    assert documents(built(dataplane(inbound=[inbound()], outbound=calls), of=metrics)) == {}


def test_a_mesh_that_names_an_mtls_backend_it_does_not_have_opens_nothing_either() -> None:
    assert documents(built(dataplane(), of=mesh("default", mtls={"enabledBackend": "gone"}))) == {}


def test_plain_metrics_of_an_mtls_mesh_open_alone() -> None:
    snapshot = built(dataplane(inbound=[inbound()]), of=metered(mtls=True, tls={"mode": "disabled"}))
    assert names(snapshot, LISTENER) == {"kuma:metrics:prometheus"}


def test_two_outbounds_to_one_service_share_its_cluster() -> None:
    tags = {"kuma.io/service": "web"}
    snapshot = built(dataplane(inbound=[], outbound=[{"port": 1, "tags": tags}, {"port": 2, "tags": tags}]))
    assert names(snapshot, CLUSTER) == {"web"}
    assert len(snapshot.of(LISTENER)) == 2


def test_two_inbounds_of_one_application_share_its_cluster() -> None:
    snapshot = built(dataplane(inbound=[inbound(80), inbound(81)]))
    assert names(snapshot, CLUSTER) == {"localhost:8080"}


def test_two_applications_with_one_port_have_two_clusters() -> None:
    snapshot = built(
        dataplane(inbound=[inbound(80, serviceAddress="127.0.0.1"), inbound(81, serviceAddress="127.0.0.2")])
    )
    assert names(snapshot, CLUSTER) == {"localhost:8080", "localhost:127.0.0.2:8080"}


def test_the_protocol_of_an_outbound_is_that_of_its_endpoints() -> None:
    calls = [{"port": 1, "tags": {"kuma.io/service": "web"}}]
    tags = {"kuma.io/service": "web", "kuma.io/protocol": "grpc"}
    peer = dataplane("web-1", address="10.0.0.2", inbound=[{"port": 80, "tags": tags}])
    found = documents(built(dataplane(inbound=[], outbound=calls), peer), LISTENER)
    (chain,) = found["outbound:127.0.0.1:1"]["filterChains"]
    assert chain["filters"][0]["name"] == "envoy.filters.network.http_connection_manager"


def test_an_ignored_inbound_is_no_listener_and_one_that_is_not_ready_is() -> None:
    snapshot = built(dataplane(inbound=[inbound(80, state="Ignored"), inbound(81, state="NotReady")]))
    assert names(snapshot, LISTENER) == {"inbound:192.168.0.1:81"}


def test_ipv6() -> None:
    snapshot = built(dataplane(address="fd00::1", inbound=[inbound()]), of=metered())
    assert names(snapshot, LISTENER) == {"inbound:[fd00::1]:80", "kuma:metrics:prometheus"}


def test_a_builtin_gateway_has_metrics_only() -> None:
    gateway = {"type": "BUILTIN", "tags": {"kuma.io/service": "edge"}}
    snapshot = built(dataplane(inbound=[], gateway=gateway), of=metered())
    assert names(snapshot, LISTENER) == {"kuma:metrics:prometheus"}


@pytest.mark.parametrize(
    ("networking", "problem"),
    [
        ({"address": "host.example"}, "networking.inbound[0].address: Envoy needs an IP address"),
        (
            {"inbound": [inbound(), inbound(81, serviceAddress="app")]},
            "networking.inbound[1].serviceAddress: Envoy needs an IP address here, not app",
        ),
        (
            {"inbound": [inbound(), inbound(80, 8080)]},
            "192.168.0.1:80 is already used by networking.inbound[0]",
        ),
        ({"inbound": [inbound(), inbound(81, 81)]}, "192.168.0.1:81 would forward to itself"),
        ({"inbound": [inbound(), inbound(81, 81, address="0.0.0.0")]}, "0.0.0.0:81 would forward to itself"),
        ({"outbound": [{"port": 1, "backendRef": {"kind": "x"}}]}, "networking.outbound[0]: has no tag"),
        ({"outbound": [{"port": 1, "address": "x", "tags": {"kuma.io/service": "web"}}]}, "not x"),
        (
            {"outbound": [{"port": 80, "address": "192.168.0.1", "tags": {"kuma.io/service": "web"}}]},
            "networking.outbound[0]: 192.168.0.1:80 is already used by networking.inbound[0]",
        ),
    ],
)
def test_what_cannot_be_built_is_left_out_and_named(networking: dict[str, Any], problem: str) -> None:
    snapshot = built(dataplane(**({"inbound": [inbound()]} | networking)))
    (found,) = [p for p in snapshot.problems if problem in p] or [snapshot.problems]
    assert problem in found
    if "address" not in networking:
        assert names(snapshot, LISTENER) == {"inbound:192.168.0.1:80"}, "the rest works"


def test_metrics_on_a_host_name_are_left_out_and_named() -> None:
    snapshot = built(dataplane(address="host.example", inbound=[]), of=metered())
    assert snapshot.problems == ("networking.address: Envoy needs an IP address here, not host.example",)


def test_an_empty_dataplane_is_no_harm() -> None:
    bare = Resource("Dataplane", dataplane().meta, DataplaneSpec())
    assert documents(built(bare, of=metered())) == {}
    without_ports = dataplane(inbound=[{"tags": {}}], outbound=[{"tags": {"kuma.io/service": "x"}}])
    assert documents(built(without_ports)) == {}


def test_the_same_input_gives_the_same_versions() -> None:
    assert built(dataplane(), of=metered()) == built(dataplane(), of=metered())


# The metrics proxy


def test_a_metrics_proxy_reaches_its_targets_through_one_cluster() -> None:
    made = dataplane("prometheus", inbound=[], metricsProxy={"port": 15100})
    targets = [MetricsTarget(f"10.0.0.{i}", 5670, "/metrics", Transport.PLAIN) for i in range(1, 9)]
    snapshot = build_snapshot(MeshView(mesh("default"), {}), made, None, PROXY, targets=targets)
    assert names(snapshot, LISTENER) == names(snapshot, ROUTES) == {"meshmeter:metrics:proxy"}
    assert names(snapshot, CLUSTER) == {"meshmeter:metrics:plain"}
    address = documents(snapshot, LISTENER)["meshmeter:metrics:proxy"]["address"]["socketAddress"]
    assert address == {"address": "127.0.0.1", "portValue": 15100}


def test_a_change_of_targets_leaves_the_listener_alone() -> None:
    made = dataplane("prometheus", inbound=[], metricsProxy={"port": 15100})

    def versions(*targets: MetricsTarget) -> tuple[str, str]:
        snapshot = build_snapshot(MeshView(mesh("default"), {}), made, None, PROXY, targets=targets)
        return snapshot.versions[LISTENER], snapshot.versions[ROUTES]

    before, after = versions(), versions(MetricsTarget("10.0.0.1", 5670, "/metrics", Transport.PLAIN))
    assert before[0] == after[0] and before[1] != after[1]


def test_a_port_that_an_outbound_has_is_not_taken_twice() -> None:
    calls = [{"port": 15100, "tags": {"kuma.io/service": "web"}}]
    snapshot = built(dataplane(outbound=calls, metricsProxy={"port": 15100}))
    assert "outbound:127.0.0.1:15100" in names(snapshot, LISTENER)
    assert any("networking.metricsProxy: 127.0.0.1:15100 is already used" in p for p in snapshot.problems)


IDENTITY = Identity(
    "default", "certificate", "key", "bundle", not_after=datetime(2030, 1, 1, tzinfo=UTC), version="1"
)


@pytest.mark.parametrize("asked", [metered(), metered(mtls=True)], ids=["going off", "going on"])
@pytest.mark.parametrize("stage", list(TlsStage))
def test_inbounds_and_outbounds_are_as_the_stage_says(asked: Resource[MeshSpec], stage: TlsStage) -> None:
    calls = [{"port": 10001, "tags": {"kuma.io/service": "web"}}]
    made = dataplane(inbound=[inbound()], outbound=calls)
    view = MeshView(asked, {made.name: made}, stage=stage)
    credentials = Credentials(identity=IDENTITY)
    snapshot = build_snapshot(view, made, effective_metrics(asked, made), PROXY, credentials=credentials)
    found = documents(snapshot)
    chains = found["inbound:192.168.0.1:80"]["filterChains"]
    with_tls = [chain for chain in chains if "transportSocket" in chain]
    assert bool(with_tls) is stage.accepts_mtls
    assert (len(chains) > len(with_tls)) is stage.accepts_plain
    assert ("transportSocket" in documents(snapshot, CLUSTER)["web"]) is stage.calls_by_mtls
    assert ("identity_cert:secret:default" in found) is stage.accepts_mtls


def test_on_the_way_to_plain_traffic_nobody_needs_an_identity_that_cannot_be_had() -> None:
    made = dataplane(inbound=[inbound()])
    view = MeshView(metered(), {made.name: made}, stage=TlsStage.CALLING)
    found = documents(build_snapshot(view, made, None, PROXY))
    (chain,) = found["inbound:192.168.0.1:80"]["filterChains"]
    assert "transportSocket" not in chain
