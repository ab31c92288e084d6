"""The whole computation: three projections of one answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from meshmeter.effective.credentials import Credentials, Identity
from meshmeter.effective.view import MeshView
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.pipeline import CompiledProxy, compile_proxy
from meshmeter.resources.codec import decode
from meshmeter.resources.defaults import with_defaults
from meshmeter.xds import types
from meshmeter.xds.snapshot import Snapshot
from support.snapshots import documents

MESH: dict[str, Any] = {
    "type": "Mesh",
    "name": "default",
    "metrics": {"enabledBackend": "p", "backends": [{"name": "p", "type": "prometheus"}]},
}
DATAPLANE: dict[str, Any] = {
    "type": "Dataplane",
    "mesh": "default",
    "name": "web-1",
    "networking": {
        "address": "127.0.0.2",
        "inbound": [{"port": 8080, "servicePort": 9080, "tags": {"kuma.io/service": "web"}}],
    },
    "metrics": {
        "type": "prometheus",
        "conf": {"port": 1234, "aggregate": [{"name": "app", "port": 9080, "address": "127.0.0.1"}]},
    },
}
PROXY = ProxyInfo("default", "web-1", "/run/a.sock", "/run/e.sock")


def view(mesh: dict[str, Any] = MESH) -> MeshView:
    dataplane = decode(DATAPLANE)
    return MeshView(with_defaults(decode(mesh)), {dataplane.name: dataplane})


def compiled_web(proxy: ProxyInfo | None) -> CompiledProxy:
    the_view = view()
    return compile_proxy(the_view, the_view.dataplanes["web-1"], proxy)


def listeners(snapshot: Snapshot | None) -> set[str]:
    assert snapshot is not None
    return {name for items in snapshot.resources.values() for name in items if name.count(":") >= 2}


def test_one_answer_reaches_prometheus_agent_and_envoy() -> None:
    compiled = compiled_web(PROXY)
    assert compiled.assignment is not None
    assert compiled.assignment.target.address == "127.0.0.2:1234"
    assert [(s.name, s.address, s.port, s.path) for s in compiled.agent_config.sources] == [
        ("app", "127.0.0.1", 9080, "/metrics")
    ]
    assert {"kuma:metrics:prometheus", "inbound:127.0.0.2:8080"} <= listeners(compiled.snapshot)


def test_without_a_proxy_there_is_no_snapshot_but_a_target() -> None:
    compiled = compiled_web(None)
    assert compiled.snapshot is None
    assert compiled.assignment is not None


def test_with_metrics_off_only_traffic_is_left() -> None:
    off = view({"type": "Mesh", "name": "default"})
    compiled = compile_proxy(off, off.dataplanes["web-1"], PROXY)
    assert compiled.effective is None and compiled.assignment is None
    assert not compiled.agent_config.enabled
    assert "kuma:metrics:prometheus" not in listeners(compiled.snapshot)
    assert "inbound:127.0.0.2:8080" in listeners(compiled.snapshot)


def test_a_mesh_with_mtls_opens_nothing_in_plain_text() -> None:
    mtls = {"enabledBackend": "ca", "backends": [{"name": "ca", "type": "builtin"}]}
    secured = view({**MESH, "mtls": mtls})
    compiled = compile_proxy(secured, secured.dataplanes["web-1"], PROXY)
    assert listeners(compiled.snapshot) == set()
    assert compiled.effective is not None
    identity = Identity("default", "cert", "key", "bundle", datetime(2030, 1, 1, tzinfo=UTC), "1")
    opened = compile_proxy(
        secured, secured.dataplanes["web-1"], PROXY, credentials=Credentials(identity=identity)
    )
    assert opened.snapshot is not None
    for listener in documents(opened.snapshot, types.LISTENER).values():
        chains = listener["filterChains"]
        assert all("transportSocket" in chain for chain in chains) or listener["name"].startswith("outbound:")


def test_equal_input_gives_equal_versions() -> None:
    one, other = (compiled_web(PROXY) for _ in range(2))
    assert one.snapshot == other.snapshot
    assert one.agent_config == other.agent_config
