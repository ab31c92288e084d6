"""Protocols of applications and of services."""

from __future__ import annotations

from typing import Any

import pytest

from meshmeter.envoy.protocols import Protocol, common_protocol, protocol_of
from meshmeter.resources.dataplane import Inbound

TCP, HTTP, HTTP2, GRPC = Protocol.TCP, Protocol.HTTP, Protocol.HTTP2, Protocol.GRPC


@pytest.mark.parametrize(
    ("inbound", "protocol"),
    [
        ({}, TCP),
        ({"tags": {"kuma.io/protocol": "http"}}, HTTP),
        ({"tags": {"kuma.io/protocol": "GRPC"}}, GRPC),
        ({"tags": {"kuma.io/protocol": "kafka"}}, TCP),
        ({"protocol": "http2"}, HTTP2),
        ({"protocol": "tcp", "tags": {"kuma.io/protocol": "http"}}, HTTP),
    ],
)
def test_protocol_of_an_inbound(inbound: dict[str, Any], protocol: Protocol) -> None:
    assert protocol_of(Inbound.model_validate(inbound)) is protocol


@pytest.mark.parametrize(
    ("protocols", "common"),
    [
        ((), TCP),
        ((HTTP, HTTP), HTTP),
        ((GRPC, GRPC), GRPC),
        ((GRPC, HTTP2), HTTP2),
        ((HTTP, GRPC), HTTP),
        ((HTTP2, TCP), TCP),
    ],
)
def test_common_protocol(protocols: tuple[Protocol, ...], common: Protocol) -> None:
    assert common_protocol(protocols) is common
    assert common_protocol(reversed(protocols)) is common


def test_which_are_http() -> None:
    assert [p.is_http for p in (TCP, HTTP, HTTP2, GRPC)] == [False, True, True, True]
    assert [p.is_http2 for p in (TCP, HTTP, HTTP2, GRPC)] == [False, False, True, True]
