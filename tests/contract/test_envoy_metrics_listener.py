"""envoy-metrics-listener: what Envoy gets for the metrics endpoint, and the access filter."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from contract.conformance import Case, vectors
from contract.deviations import (
    d10_permissions,
    d11_no_bypass,
    d12_no_files_no_listener,
    d13_reloaded_files,
    d14_d15_routes,
    d29_nobody_instructs,
)
from contract.universal import resource
from meshmeter.effective.credentials import Credentials, Identity
from meshmeter.effective.metrics import EffectiveMetrics, effective_metrics
from meshmeter.effective.transport import Transport
from meshmeter.effective.view import MeshView
from meshmeter.envoy.names import METRICS_CLUSTER, METRICS_LISTENER
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.envoy.rbac import rbac_filter
from meshmeter.envoy.snapshot import build_snapshot
from meshmeter.resources.resource import AnyResource
from meshmeter.xds import types
from support.resources import dataplane, mesh
from support.snapshots import documents, normal

CLUSTER, LISTENER = METRICS_CLUSTER, METRICS_LISTENER


IDENTITY = Identity(
    "demo", "certificate", "key", "bundle", not_after=datetime(2030, 1, 1, tzinfo=UTC), version="1"
)

SDS_FILE = "/work/certificate/sds.json"
"""Where the agent hands a provided certificate to Envoy."""


def built(data: dict[str, Any]) -> tuple[EffectiveMetrics | None, dict[str, Any]]:
    """What holds, and all of Envoy's listeners and clusters, for the proxy of a case, which has an identity."""
    mesh, dataplane = resource(data["mesh"]), resource(data["dataplane"])
    metadata = data["metadata"]
    socket = metadata.get("metricsSocketPath") or (
        f"{metadata.get('workDir', '/tmp')}/kuma-mh-{dataplane.name}-{mesh.name}.sock"
    )
    files = metadata.get("metricsCertPath"), metadata.get("metricsKeyPath")
    proxy = ProxyInfo(
        mesh.name,
        dataplane.name,
        agent_socket=socket,
        admin_socket="/tmp/admin.sock",
        metrics_cert_path=files[0],
        metrics_key_path=files[1],
        metrics_sds_path=SDS_FILE if all(files) else None,
    )
    effective = effective_metrics(mesh, dataplane)
    written = data.get("trafficPermission")
    view = MeshView(mesh, {dataplane.name: dataplane}, (resource(written),) if written else ())
    credentials = Credentials(identity=replace(IDENTITY, mesh=mesh.name))
    snapshot = build_snapshot(view, dataplane, effective, proxy, credentials=credentials)
    return effective, documents(snapshot, types.LISTENER) | documents(snapshot, types.CLUSTER)


def golden(case: Case) -> dict[str, Any]:
    """The reference's resources by name."""
    return {item["name"]: item["resource"] for item in case.yaml("expected")["resources"]}


def managers(listener: dict[str, Any]) -> list[dict[str, Any]]:
    """Every connection manager of a listener, to be changed in place."""
    return [
        f
        for chain in listener["filterChains"]
        for f in chain["filters"]
        if f["name"] == "envoy.filters.network.http_connection_manager"
    ]


BOUNDS = {
    "codecType": "HTTP1",
    "maxRequestHeadersKb": 16,
    "requestHeadersTimeout": "10s",
    "requestTimeout": "15s",
    "streamIdleTimeout": "120s",
    "httpProtocolOptions": {"acceptHttp10": True, "defaultHostForHttp10": "metrics"},
}


def without_our_additions(resources: dict[str, Any]) -> dict[str, Any]:
    """Minus what the reference has nothing for: response compression, the idle timeout towards the agent, TLS 1.2 as
    the least, and what bounds clients: header sizes, times to send a request in, and how long connections may be idle
    or last; and HTTP/1.0 is answered."""
    plain = copy.deepcopy(resources)
    for manager in managers(plain[LISTENER]):
        compressor, router = manager["typedConfig"]["httpFilters"]
        assert compressor["name"] == "envoy.filters.http.compressor"
        manager["typedConfig"]["httpFilters"] = [router]
        for field, value in BOUNDS.items():
            assert manager["typedConfig"].pop(field) == value
        behind_mtls = manager["typedConfig"].pop("http1SafeMaxConnectionDuration", False)
        lasts = {"maxConnectionDuration": "3600s"} if behind_mtls else {}
        assert manager["typedConfig"].pop("commonHttpProtocolOptions") == {"idleTimeout": "75s", **lasts}
    for chain in plain[LISTENER]["filterChains"]:
        if "transportSocket" in chain:
            assert chain.pop("transportSocketConnectTimeout") == "10s"
            context = chain["transportSocket"]["typedConfig"]["commonTlsContext"]
            assert context.pop("tlsParams") == {"tlsMinimumProtocolVersion": "TLSv1_2"}
    assert plain[CLUSTER].pop("typedExtensionProtocolOptions")
    return plain


@vectors("envoy-metrics-listener", "listener")
def test_listener(case: Case) -> None:
    if case.data["mesh"] is None or case.data["dataplane"] is None:
        assert case.data["expected"] is None
        return
    effective, found = built(case.data)
    if case.data["expected"] is None:
        assert LISTENER not in found
        assert CLUSTER not in found
        return
    assert effective is not None
    if d12_no_files_no_listener(case.data):
        assert found == {}
        return
    expected = golden(case)
    if case.data.get("behaviour") == "rbac-on-metrics-listener":
        check_access(found, expected)
        return
    chains = d11_no_bypass(expected[LISTENER]["filterChains"])
    match effective.transport:
        case Transport.MTLS:
            written = case.data.get("trafficPermission")
            permission = resource(written) if written else None
            chains = d10_permissions(chains, rbac_filter(LISTENER, case.data["mesh"]["name"], permission))
        case Transport.PROVIDED_TLS:
            chains = d13_reloaded_files(chains, SDS_FILE)
    expected[LISTENER]["filterChains"] = chains
    for manager in managers(expected[LISTENER]):
        manager["typedConfig"] = d29_nobody_instructs(d14_d15_routes(manager["typedConfig"]))
    assert without_our_additions(found) == {name: normal(r) for name, r in expected.items()}


def check_access(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """A case of an older release, for who is let in: other details of its listener have changed since."""

    def protection(resources: dict[str, Any]) -> list[tuple[Any, Any]]:
        chains = d11_no_bypass(resources[LISTENER]["filterChains"])
        return [(chain["filters"][0], chain["transportSocket"]) for chain in chains]

    listener = {LISTENER: normal(expected[LISTENER])}
    assert protection(without_our_additions(found)) == protection(listener)


@vectors("envoy-metrics-listener", "rbac-filter")
def test_access_filter(case: Case) -> None:
    written = case.data["trafficPermission"]
    permission = resource(written) if written else None
    if not case.data["mtlsEnabled"]:
        assert case.data["expected"] is None
        assert filters_of_an_inbound_without_mtls(permission) == {"envoy.filters.network.tcp_proxy"}
        return
    found = rbac_filter(case.data["listenerName"], permission.mesh if permission else "", permission)
    assert in_any_order(found) == in_any_order(case.data["expected"])


def filters_of_an_inbound_without_mtls(permission: AnyResource | None) -> set[str]:
    """The network filters of a proxy in a Mesh that has no mTLS, where a client has no identity to be judged by."""
    proxy = dataplane(mesh=permission.mesh if permission else "default")
    view = MeshView(mesh(proxy.mesh), {proxy.name: proxy}, (permission,) if permission else ())
    info = ProxyInfo(proxy.mesh, proxy.name, agent_socket="/tmp/agent.sock", admin_socket="/tmp/admin.sock")
    snapshot = build_snapshot(view, proxy, None, info)
    listeners = documents(snapshot, types.LISTENER).values()
    return {f["name"] for one in listeners for chain in one["filterChains"] for f in chain["filters"]}


def in_any_order(document: Any) -> Any:
    """The ids of a principal may come in any order."""
    if isinstance(document, dict):
        return {k: sorted(v, key=repr) if k == "ids" else in_any_order(v) for k, v in document.items()}
    return [in_any_order(item) for item in document] if isinstance(document, list) else document
