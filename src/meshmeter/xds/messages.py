"""What a proxy and the control plane say to each other in delta ADS, as plain values, and their wire form.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#incremental-xds
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError

from meshmeter.xds.protos import message, to_dict
from meshmeter.xds.snapshot import Resource

SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
METHOD = "DeltaAggregatedResources"


class ProtocolError(ValueError):
    """The client said something that is not delta ADS; its stream cannot go on."""


@dataclass(frozen=True, slots=True)
class Node:
    """Who speaks. A proxy sends it with its first message only."""

    id: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""
    """The proxy's own version, e.g. `1.40.0`; empty if it does not say."""


@dataclass(frozen=True, slots=True)
class Request:
    """One message of a proxy. Any of subscribing, acknowledging and refusing, or several at once."""

    type_url: str
    node: Node | None = None
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial_versions: Mapping[str, str] = field(default_factory=dict)
    """What the proxy has from an earlier stream, by name."""
    nonce: str = ""
    """Of the response that is answered; empty if none is."""
    error: str | None = None
    """Why that response is refused, in the proxy's words; None if it is not."""


@dataclass(frozen=True, slots=True)
class Response:
    """One message to a proxy."""

    type_url: str
    nonce: str
    version: str
    """Hash over everything of this type that the proxy is to have."""
    resources: tuple[Resource, ...] = ()
    removed: tuple[str, ...] = ()


def decode_request(data: bytes) -> Request:
    """The request in `data`. Raises ProtocolError if it is none."""
    wire: Any = message("envoy.service.discovery.v3.DeltaDiscoveryRequest")()
    try:
        wire.ParseFromString(data)
    except DecodeError as exc:
        raise ProtocolError("the message is not a DeltaDiscoveryRequest") from exc
    if not wire.type_url:
        raise ProtocolError("the request has no type_url")
    return Request(
        type_url=wire.type_url,
        node=_node(wire.node) if wire.HasField("node") else None,
        subscribe=tuple(wire.resource_names_subscribe),
        unsubscribe=tuple(wire.resource_names_unsubscribe),
        initial_versions=dict(wire.initial_resource_versions),
        nonce=wire.response_nonce,
        error=(wire.error_detail.message or "no reason given") if wire.HasField("error_detail") else None,
    )


def _node(wire: Any) -> Node:
    version = wire.user_agent_build_version.version
    known = wire.HasField("user_agent_build_version")
    return Node(
        id=wire.id,
        metadata=to_dict(wire.metadata),
        version=f"{version.major_number}.{version.minor_number}.{version.patch}" if known else "",
    )


def encode_response(response: Response, identifier: str = "") -> bytes:
    """The response as a serialized DeltaDiscoveryResponse. `identifier` says which control plane it is by."""
    wire: Any = message("envoy.service.discovery.v3.DeltaDiscoveryResponse")()
    wire.type_url = response.type_url
    wire.nonce = response.nonce
    wire.system_version_info = response.version
    wire.control_plane.identifier = identifier
    for resource in response.resources:
        entry = wire.resources.add()
        entry.name = resource.name
        entry.version = resource.version
        entry.resource.type_url = resource.type_url
        entry.resource.value = resource.value
    wire.removed_resources.extend(response.removed)
    data: bytes = wire.SerializeToString()
    return data
