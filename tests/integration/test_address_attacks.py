"""Addresses and ports that a Dataplane only claims: nobody is led there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.access import agent_config, register
from support.processes import ControlPlane, document, eventually, get


def a_dataplane(name: str, conf: dict[str, Any], **networking: Any) -> dict[str, Any]:
    inbound = {"port": 8080, "servicePort": 8081, "tags": {"kuma.io/service": "web"}}
    return {
        "type": "Dataplane",
        "mesh": "default",
        "name": name,
        "networking": {"address": "127.0.0.9", "inbound": [inbound]} | networking,
        "metrics": {"type": "prometheus", "conf": conf},
    }


def discovered(control_plane: ControlPlane) -> list[str]:
    groups = json.loads(get(control_plane.url("discovery") + "/v1/targets")[1])
    return [address for group in groups for address in group["targets"]]


@pytest.mark.attack("B1: a Dataplane that says it is at a cloud's metadata service, in any spelling")
def test_no_metadata_service_is_a_target(control_plane: ControlPlane) -> None:
    token = control_plane.ok("token", "dataplane", "--mesh", "default").strip()
    for address in ("169.254.169.254", "::ffff:169.254.169.254", "2852039166", "0xa9fea9fe", "fd00:ec2::254"):
        for field in ("address", "advertisedAddress"):
            claimed = a_dataplane("evil", {"path": "/latest/meta-data"}, **{field: address})
            status, text = register(control_plane, claimed, token)
            assert status == 400 and f"networking.{field}" in text, (address, field, text)
            assert control_plane.run("apply", "-f", "-", stdin=document(**claimed)).returncode != 0
    assert discovered(control_plane) == []


@pytest.mark.attack(
    "B1: a Dataplane whose metrics port or entry is a port of the control plane on the same host"
)
def test_no_port_of_the_control_plane_is_a_target(control_plane: ControlPlane) -> None:
    token = control_plane.ok("token", "dataplane", "--mesh", "default", "--name", "honest").strip()
    for name, port in control_plane.ports.items():
        claimed = a_dataplane(f"evil-{name}", {"port": port, "path": "/meshes"}, address="127.0.0.1")
        control_plane.ok("apply", "-f", "-", stdin=document(**claimed))
    port = control_plane.ports["diagnostics"]
    entries = [
        {"name": f"e{number}", "port": port, "address": address}
        for number, address in enumerate(("127.0.0.1", "127.0.0.1", "::ffff:127.0.0.1"))
    ]
    control_plane.ok("apply", "-f", "-", stdin=document(**a_dataplane("honest", {"aggregate": entries})))
    eventually(lambda: discovered(control_plane) == ["127.0.0.9:5670"], "the honest target alone")
    assert json.loads(agent_config(control_plane, "default", "honest", token)[1])["sources"] == []
    told = json.loads(control_plane.ok("explain", "dataplane", "evil-api", "-o", "json"))
    assert "metrics-port-of-control-plane" in [found["code"] for found in told["findings"]]
    assert told["urls"] == []


@pytest.mark.attack("B1: a Dataplane with another's address whose metrics port is a port of that one")
def test_no_port_of_another_dataplane_is_a_target(control_plane: ControlPlane) -> None:
    control_plane.ok("apply", "-f", "-", stdin=document(**a_dataplane("victim", {})))
    for port in (8080, 8081):  # its inbound, and the application behind it
        inbound = [{"port": 9000, "tags": {"kuma.io/service": "web"}}]
        claimed = a_dataplane(f"evil-{port}", {"port": port, "path": "/admin"}, inbound=inbound)
        claimed["networking"] |= {"address": "127.0.0.8", "advertisedAddress": "127.0.0.9"}
        control_plane.ok("apply", "-f", "-", stdin=document(**claimed))
        told = json.loads(control_plane.ok("explain", "dataplane", f"evil-{port}", "-o", "json"))
        assert "metrics-port-of-other-proxy" in [found["code"] for found in told["findings"]]
    eventually(lambda: discovered(control_plane) == ["127.0.0.9:5670"], "the victim's own target alone")
