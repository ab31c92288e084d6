"""Protocols: what Envoy understands of the traffic, and so which metrics there are of it (kuma-facts 4.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from meshmeter.resources.dataplane import PROTOCOL_TAG, Inbound


class Protocol(StrEnum):
    """What is told apart. Everything else, such as tls, kafka or mysql, is a stream of bytes: TCP."""

    TCP = "tcp"
    HTTP = "http"
    HTTP2 = "http2"
    GRPC = "grpc"

    @property
    def is_http(self) -> bool:
        return self is not Protocol.TCP

    @property
    def is_http2(self) -> bool:
        """Whether an application speaks HTTP/2 without being asked."""
        return self in (Protocol.HTTP2, Protocol.GRPC)


_LAYERS: Mapping[Protocol, tuple[Protocol, ...]] = MappingProxyType(
    {
        Protocol.TCP: (Protocol.TCP,),
        Protocol.HTTP: (Protocol.HTTP, Protocol.TCP),
        Protocol.HTTP2: (Protocol.HTTP2, Protocol.HTTP, Protocol.TCP),
        Protocol.GRPC: (Protocol.GRPC, Protocol.HTTP2, Protocol.HTTP, Protocol.TCP),
    }
)
"""A protocol and what it can be taken for, closest first."""


def protocol_of(inbound: Inbound) -> Protocol:
    """Of the application behind an inbound: its tag `kuma.io/protocol`, else its `protocol`, else TCP."""
    written = (inbound.tags or {}).get(PROTOCOL_TAG) or inbound.protocol or ""
    try:
        return Protocol(written.lower())
    except ValueError:
        return Protocol.TCP


def common_protocol(protocols: Iterable[Protocol]) -> Protocol:
    """What all of them can be taken for. TCP for none: nothing is known of the service yet."""
    common: tuple[Protocol, ...] = ()
    for protocol in protocols:
        layers = _LAYERS[protocol]
        common = tuple(layer for layer in common if layer in layers) if common else layers
    return common[0] if common else Protocol.TCP
