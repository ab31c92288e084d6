"""The wire form of requests and responses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshmeter.xds.messages import Node, ProtocolError, Request, Response, decode_request, encode_response
from meshmeter.xds.protos import message
from meshmeter.xds.types import CLUSTER
from support.conversation import cluster


def wire(**fields: Any) -> Any:
    return message("envoy.service.discovery.v3.DeltaDiscoveryRequest")(**fields)


def test_a_first_request() -> None:
    request = wire(
        type_url=CLUSTER,
        resource_names_subscribe=["*"],
        resource_names_unsubscribe=["old"],
        initial_resource_versions={"a": "1"},
    )
    request.node.id = "default.dp"
    request.node.metadata["meshmeter"] = {"mesh": "default", "ipv6": True}
    request.node.user_agent_build_version.version.major_number = 1
    request.node.user_agent_build_version.version.minor_number = 40
    assert decode_request(request.SerializeToString()) == Request(
        CLUSTER,
        Node("default.dp", {"meshmeter": {"mesh": "default", "ipv6": True}}, "1.40.0"),
        subscribe=("*",),
        unsubscribe=("old",),
        initial_versions={"a": "1"},
    )


def test_an_acknowledgement_and_a_refusal() -> None:
    request = wire(type_url=CLUSTER, response_nonce="7")
    assert decode_request(request.SerializeToString()) == Request(CLUSTER, nonce="7")
    request.error_detail.message = "cannot bind"
    assert decode_request(request.SerializeToString()).error == "cannot bind"
    request.error_detail.message = ""
    request.error_detail.code = 13
    assert decode_request(request.SerializeToString()).error == "no reason given"


def test_a_node_need_not_tell_its_version() -> None:
    request = wire(type_url=CLUSTER)
    request.node.id = "x"
    assert decode_request(request.SerializeToString()).node == Node("x")


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"\x0a\x05ab", b""])
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_request(data)


@given(st.binary(max_size=200))
def test_no_bytes_do_any_other_harm(data: bytes) -> None:
    try:
        decode_request(data)
    except ProtocolError:
        pass


def test_a_response() -> None:
    resource = cluster("a")
    data = encode_response(Response(CLUSTER, "3", "v1", (resource,), ("gone",)), "cp-1")
    sent: Any = message("envoy.service.discovery.v3.DeltaDiscoveryResponse").FromString(data)
    assert (sent.type_url, sent.nonce, sent.system_version_info) == (CLUSTER, "3", "v1")
    assert list(sent.removed_resources) == ["gone"]
    assert sent.control_plane.identifier == "cp-1"
    (entry,) = sent.resources
    assert (entry.name, entry.version) == ("a", resource.version)
    unpacked: Any = message("envoy.config.cluster.v3.Cluster").FromString(entry.resource.value)
    assert unpacked.name == "a"
