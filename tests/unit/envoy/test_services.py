"""What callers of one service have in common."""

from __future__ import annotations

from meshmeter.effective.view import MeshView
from meshmeter.envoy.protocols import Protocol
from meshmeter.envoy.services import service_of
from support.resources import dataplane, mesh
from support.snapshots import document

TAGS = {"kuma.io/service": "web"}


def view(*protocols: str) -> MeshView:
    """A mesh with one proxy of `web` for each protocol."""
    made = [
        dataplane(
            f"web-{i}", address=f"10.0.0.{i}", inbound=[{"port": 80, "tags": TAGS | {"kuma.io/protocol": p}}]
        )
        for i, p in enumerate(protocols, 1)
    ]
    return MeshView(mesh("default"), {d.name: d for d in made})


def test_a_service_has_the_protocol_that_its_endpoints_have_in_common() -> None:
    service = service_of(view("grpc", "http2"), TAGS, with_mtls=False)
    assert service.protocol is Protocol.HTTP2
    assert "http2ProtocolOptions" in str(document(service.cluster))
    (locality,) = document(service.endpoints)["endpoints"]
    assert len(locality["lbEndpoints"]) == 2


def test_a_service_without_endpoints_is_tcp() -> None:
    service = service_of(view(), TAGS, with_mtls=False)
    assert service.protocol is Protocol.TCP
    assert service.cluster.name == service.endpoints.name == "web"


def test_it_is_built_once_for_a_view_and_anew_for_the_next() -> None:
    before, after = view("http"), view("http", "http")
    assert service_of(before, dict(TAGS), with_mtls=False) is service_of(before, dict(TAGS), with_mtls=False)
    assert service_of(before, TAGS | {"version": "1"}, with_mtls=False).cluster.name.startswith("web-")
    assert (
        service_of(after, TAGS, with_mtls=False).endpoints
        != service_of(before, TAGS, with_mtls=False).endpoints
    )


def test_it_is_called_as_the_stage_of_the_mesh_says() -> None:
    made = view("http")
    plain, by_mtls = (service_of(made, TAGS, with_mtls=with_mtls) for with_mtls in (False, True))
    assert "transportSocket" not in document(plain.cluster)
    assert "spiffe://default/web" in str(document(by_mtls.cluster)["transportSocket"])
    assert plain.endpoints == by_mtls.endpoints
