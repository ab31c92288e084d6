"""Envoy's protobuf messages, from one descriptor set inside this package.

The set is made by the build hook and loaded into a descriptor pool of our own, so no other installed package that
carries Envoy's or Google's messages can clash with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message, message_factory

from meshmeter.errors import StartupError

TYPE_PREFIX = "type.googleapis.com/"

DELTA_REQUEST = "envoy.service.discovery.v3.DeltaDiscoveryRequest"
DELTA_RESPONSE = "envoy.service.discovery.v3.DeltaDiscoveryResponse"


@cache
def pool() -> Any:
    """The private pool. Raises StartupError if the package was not built."""
    try:
        content = files("meshmeter.xds").joinpath("descriptors.binpb").read_bytes()
    except FileNotFoundError as exc:
        raise StartupError(
            "meshmeter was not built: xds/descriptors.binpb is missing; install it with `pip install .`, "
            "which makes that file"
        ) from exc
    loaded = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(content).file:
        loaded.AddSerializedFile(file.SerializeToString())
    return loaded


@cache
def message_class(name: str) -> type[message.Message]:
    """The class of a message by its full name. Raises KeyError."""
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(name))  # type: ignore[no-any-return]


def to_any(resource: Mapping[str, Any]) -> Any:
    """A resource written as JSON with an `@type` (nested ones too), as a google.protobuf.Any.

    Raises ValueError naming an unknown field or type.
    """
    try:
        return json_format.ParseDict(
            resource, message_class("google.protobuf.Any")(), descriptor_pool=pool()
        )
    except json_format.ParseError as exc:
        raise ValueError(str(exc)) from exc


def serialize(resource: Mapping[str, Any]) -> bytes:
    """The resource as a serialized Any, the same bytes for the same content."""
    return bytes(to_any(resource).SerializeToString(deterministic=True))


def to_dict(serialized_any: bytes) -> dict[str, Any]:
    """The JSON form of a serialized Any, with `@type`; for people and tests."""
    parsed = message_class("google.protobuf.Any").FromString(serialized_any)
    return dict(json_format.MessageToDict(parsed, descriptor_pool=pool()))
