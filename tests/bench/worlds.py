"""The mesh of the benchmarks of the control plane, of any size; a revision is in everything that follows from it."""

from __future__ import annotations

from ipaddress import IPv4Address

from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import Resource
from support.resources import dataplane, metered

PROXIES_PER_SERVICE = 20

FIRST_ADDRESS = IPv4Address("10.0.0.1")


def bench_mesh(revision: int) -> Resource[MeshSpec]:
    """A Mesh whose metrics have a path of their own in each revision."""
    return metered(path=f"/revision-{revision}-/metrics")


def bench_dataplane(index: int, revision: int) -> Resource[DataplaneSpec]:
    """One Dataplane on a host of its own, with two inbounds and an application that is scraped."""
    tags = {"kuma.io/service": f"service-{index // PROXIES_PER_SERVICE}", "kuma.io/protocol": "http"}
    version = {"version": f"revision-{revision}-"}
    return dataplane(
        name(index),
        address=str(FIRST_ADDRESS + index),
        conf={"tags": version, "aggregate": [{"name": "app", "port": 8081, "path": "/metrics"}]},
        inbound=[
            {"port": 8080, "servicePort": 8081, "tags": {**tags, **version}},
            {
                "port": 9090,
                "servicePort": 20000 + revision,
                "tags": {**tags, "kuma.io/service": f"admin-{index}"},
            },
        ],
    )


def in_target(revision: int) -> bytes:
    """What only the target of a Dataplane of this revision has."""
    return b"revision-%d-" % revision


def in_envoy(revision: int) -> tuple[bytes, bytes]:
    """What only the configuration of an Envoy has whose Dataplane or whose Mesh is of this revision."""
    return b"localhost:%d" % (20000 + revision), b"/revision-%d-/metrics" % revision


def name(index: int) -> str:
    """Of a Dataplane."""
    return f"proxy-{index}"


def proxy_info(index: int) -> ProxyInfo:
    """What its agent tells of itself."""
    folder = f"/run/meshmeter/{name(index)}"
    return ProxyInfo("default", name(index), f"{folder}/agent.sock", f"{folder}/admin.sock")
