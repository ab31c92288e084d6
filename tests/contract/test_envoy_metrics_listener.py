"""envoy-metrics-listener: what Envoy gets for the metrics endpoint, and the access filter."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from contract.conformance import Case, vectors
from contract.deviations import d12_no_files_no_listener, d14_d15_routes
from contract.universal import resource
from meshmeter.effective.metrics import EffectiveMetrics, effective_metrics
from meshmeter.effective.transport import Transport
from meshmeter.effective.view import MeshView
from meshmeter.envoy.names import METRICS_CLUSTER, METRICS_LISTENER
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.envoy.rbac import rbac_filter
from meshmeter.envoy.snapshot import build_snapshot
from meshmeter.xds import types
from support.snapshots import documents, normal

CLUSTER, LISTENER = METRICS_CLUSTER, METRICS_LISTENER


def built(data: dict[str, Any]) -> tuple[EffectiveMetrics | None, dict[str, Any]]:
    """What holds, and all of Envoy's resources, for the proxy of a case."""
    mesh, dataplane = resource(data["mesh"]), resource(data["dataplane"])
    metadata = data["metadata"]
    socket = metadata.get("metricsSocketPath") or (
        f"{metadata.get('workDir', '/tmp')}/kuma-mh-{dataplane.name}-{mesh.name}.sock"
    )
    proxy = ProxyInfo(
        mesh.name,
        dataplane.name,
        agent_socket=socket,
        admin_socket="/tmp/admin.sock",
        metrics_cert_path=metadata.get("metricsCertPath"),
        metrics_key_path=metadata.get("metricsKeyPath"),
        ipv6=metadata.get("ipv6Enabled", False),
    )
    effective = effective_metrics(mesh, dataplane)
    view = MeshView(mesh, {dataplane.name: dataplane})
    return effective, documents(
        build_snapshot(view, dataplane, effective, proxy), types.LISTENER
    ) | documents(build_snapshot(view, dataplane, effective, proxy), types.CLUSTER)


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


def without_our_additions(resources: dict[str, Any]) -> dict[str, Any]:
    """Minus what the reference has nothing for: response compression, and the idle timeout towards the
    agent."""
    plain = copy.deepcopy(resources)
    for manager in managers(plain[LISTENER]):
        compressor, router = manager["typedConfig"]["httpFilters"]
        assert compressor["name"] == "envoy.filters.http.compressor"
        manager["typedConfig"]["httpFilters"] = [router]
    assert plain[CLUSTER].pop("typedExtensionProtocolOptions")
    return plain


@vectors("envoy-metrics-listener", "listener")
def test_listener(case: Case) -> None:
    effective, found = built(case.data)
    if case.data["expected"] is None:
        assert LISTENER not in found
        assert CLUSTER not in found
        return
    assert effective is not None
    if d12_no_files_no_listener(case.data) or effective.transport is not Transport.PLAIN:
        # A protection that cannot be had, or is not built yet, never turns into plain HTTP.
        assert found == {}
        check_access_filter(case)
        return
    expected = golden(case)
    for manager in managers(expected[LISTENER]):
        manager["typedConfig"] = d14_d15_routes(manager["typedConfig"])
    assert without_our_additions(found) == {name: normal(r) for name, r in expected.items()}


def check_access_filter(case: Case) -> None:
    """Our filter is the one that the reference puts on its listener, where it does."""
    if case.data.get("behaviour") == "rbac-on-metrics-listener":
        written = case.data["trafficPermission"]
        made = rbac_filter(LISTENER, case.data["mesh"]["name"], resource(written) if written else None)
        assert made in [f for chain in golden(case)[LISTENER]["filterChains"] for f in chain["filters"]]


@vectors("envoy-metrics-listener", "static-endpoint", "transport-socket", "rbac-filter")
def test_parts(case: Case) -> None:
    if case.kind != "rbac-filter":
        pytest.skip("a part of another design: paths are matched exactly (D14), files come by SDS (D13)")
    assert case.data["mtlsEnabled"]
    written = case.data["trafficPermission"]
    permission = resource(written) if written else None
    found = rbac_filter(case.data["listenerName"], permission.mesh if permission else "", permission)
    assert in_any_order(found) == in_any_order(case.data["expected"])


def in_any_order(document: Any) -> Any:
    """The ids of a principal may come in any order."""
    if isinstance(document, dict):
        return {k: sorted(v, key=repr) if k == "ids" else in_any_order(v) for k, v in document.items()}
    return [in_any_order(item) for item in document] if isinstance(document, list) else document
