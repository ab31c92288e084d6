"""Which inbounds serve what an outbound asks for."""

from __future__ import annotations

from typing import Any

import pytest

from meshmeter.effective.view import MeshView
from meshmeter.envoy.endpoints import Endpoint, assignment, find_endpoints, is_ready
from meshmeter.envoy.protocols import Protocol
from meshmeter.resources.dataplane import Inbound
from support.resources import dataplane, mesh
from support.snapshots import normal


def inbound(port: int = 80, **fields: Any) -> dict[str, Any]:
    tags = {"kuma.io/service": "web", **fields.pop("tags", {})}
    return {"port": port, "tags": tags, **fields}


def found(*dataplanes: Any, **tags: str) -> tuple[Endpoint, ...]:
    view = MeshView(mesh("default"), {d.name: d for d in dataplanes})
    return find_endpoints(view, {"kuma.io/service": "web", **tags}).endpoints


def at(address: str, port: int = 80, protocol: Protocol = Protocol.TCP) -> Endpoint:
    return Endpoint(address, port, protocol)


def test_all_inbounds_of_the_service_in_a_steady_order() -> None:
    two = dataplane(
        "b", address="10.0.0.2", inbound=[inbound(80), inbound(81, tags={"kuma.io/protocol": "http"})]
    )
    one = dataplane(
        "a", address="10.0.0.3", inbound=[inbound(), {"port": 9, "tags": {"kuma.io/service": "db"}}]
    )
    expected = (at("10.0.0.2"), at("10.0.0.2", 81, Protocol.HTTP), at("10.0.0.3"))
    assert found(one, two) == found(two, one) == expected


def test_the_address_that_peers_use() -> None:
    own = dataplane("a", address="10.0.0.1", inbound=[inbound(address="10.0.0.9")])
    assert found(own) == (at("10.0.0.9"),)
    advertised = dataplane("a", address="10.0.0.1", advertisedAddress="1.2.3.4", inbound=[inbound()])
    assert found(advertised) == (at("1.2.3.4"),)


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254"])
def test_no_service_is_at_a_metadata_service(address: str) -> None:
    """Whoever may register a service would lead its callers there."""
    for made in (
        dataplane("a", address=address, inbound=[inbound()]),
        dataplane("a", address="10.0.0.1", advertisedAddress=address, inbound=[inbound()]),
        dataplane("a", address="10.0.0.1", inbound=[inbound(address=address)]),
    ):
        view = MeshView(mesh("default"), {made.name: made})
        result = find_endpoints(view, {"kuma.io/service": "web"})
        assert result.endpoints == ()
        assert "is no address of a proxy" in result.problems[0]


def test_more_tags_have_to_match_as_well() -> None:
    one = dataplane("a", address="10.0.0.1", inbound=[inbound(tags={"version": "1"})])
    two = dataplane("b", address="10.0.0.2", inbound=[inbound(tags={"version": "2"})])
    assert found(one, two, version="2") == (at("10.0.0.2"),)
    assert found(one, two, version="3") == ()


@pytest.mark.parametrize(
    ("fields", "ready"),
    [
        ({}, True),
        ({"state": "Ready"}, True),
        ({"state": "NotReady"}, False),
        ({"state": "Ignored"}, False),
        ({"health": {"ready": False}}, False),
        ({"health": {"ready": True}}, True),
        ({"state": "Ready", "health": {"ready": False}}, True),
    ],
)
def test_only_ready_inbounds_get_traffic(fields: dict[str, Any], ready: bool) -> None:
    assert is_ready(Inbound.model_validate(fields)) is ready
    assert bool(found(dataplane("a", address="10.0.0.1", inbound=[inbound(**fields)]))) is ready


def test_two_dataplanes_at_one_address_are_one_endpoint() -> None:
    same = [dataplane(name, address="10.0.0.1", inbound=[inbound()]) for name in "ab"]
    assert found(*same) == (at("10.0.0.1"),)


def test_a_peer_with_a_host_name_is_left_out_and_named() -> None:
    view = MeshView(mesh("default"), {"a": dataplane("a", address="a.example", inbound=[inbound()])})
    result = find_endpoints(view, {"kuma.io/service": "web"})
    assert result.endpoints == ()
    assert len(result.problems) == 1
    assert "a.example is no IP address" in result.problems[0]


def test_no_endpoints_is_an_empty_assignment() -> None:
    view = MeshView(mesh("default"))
    made = assignment("web", find_endpoints(view, {"kuma.io/service": "web"}))
    assert normal(made) == {
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "clusterName": "web",
    }
