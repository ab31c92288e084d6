"""Build hook: turn the xds-protos build requirement into one descriptor set inside the package.

Installing xds-protos beside us at run time would clash with other packages that own the same top-level names, so the
message descriptors that we need are written into a single FileDescriptorSet, which `meshmeter.xds.protos` loads into
a private descriptor pool.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TARGET = Path("src/meshmeter/xds/descriptors.binpb")

ROOTS = (
    "envoy.config.bootstrap.v3.bootstrap_pb2",
    "envoy.config.cluster.v3.cluster_pb2",
    "envoy.config.endpoint.v3.endpoint_pb2",
    "envoy.config.listener.v3.listener_pb2",
    "envoy.config.rbac.v3.rbac_pb2",
    "envoy.config.route.v3.route_pb2",
    "envoy.extensions.compression.gzip.compressor.v3.gzip_pb2",
    "envoy.extensions.filters.http.compressor.v3.compressor_pb2",
    "envoy.extensions.filters.http.rbac.v3.rbac_pb2",
    "envoy.extensions.filters.http.router.v3.router_pb2",
    "envoy.extensions.filters.listener.tls_inspector.v3.tls_inspector_pb2",
    "envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2",
    "envoy.extensions.filters.network.rbac.v3.rbac_pb2",
    "envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2",
    "envoy.extensions.http.early_header_mutation.header_mutation.v3.header_mutation_pb2",
    "envoy.extensions.resource_monitors.downstream_connections.v3.downstream_connections_pb2",
    "envoy.extensions.transport_sockets.tls.v3.secret_pb2",
    "envoy.extensions.transport_sockets.tls.v3.tls_pb2",
    "envoy.extensions.upstreams.http.v3.http_protocol_options_pb2",
    "envoy.service.discovery.v3.ads_pb2",
    "envoy.service.discovery.v3.discovery_pb2",
)
"""The modules whose closure of imports is packaged."""


class DescriptorSetHook(BuildHookInterface[Any]):
    """Writes `TARGET` before files are collected."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        target = Path(self.root, TARGET)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(descriptor_set())
        build_data["artifacts"].append(str(TARGET))


def _add_content_type_matcher(files: Any) -> None:
    """The compressor's field of that name, which Envoy 1.40 wants in the place of `content_type` and which xds-protos
    1.85.0 does not have yet."""
    (file,) = (file for file in files.file if file.package == "envoy.extensions.filters.http.compressor.v3")
    (message,) = (message for message in file.message_type if message.name == "Compressor")
    (directions,) = (nested for nested in message.nested_type if nested.name == "CommonDirectionConfig")
    if any(field.name == "content_type_matcher" for field in directions.field):
        return
    file.dependency.append("envoy/type/matcher/v3/string.proto")
    matcher = directions.field.add(name="content_type_matcher", number=4, json_name="contentTypeMatcher")
    matcher.label, matcher.type = matcher.LABEL_REPEATED, matcher.TYPE_MESSAGE
    matcher.type_name = ".envoy.type.matcher.v3.StringMatcher"
    # Files are in the order of their imports.
    position = list(files.file).index(file)
    moved = type(files)(file=[*files.file[:position], *files.file[position + 1 :], file])
    files.CopyFrom(moved)


def descriptor_set() -> bytes:
    """The serialized FileDescriptorSet of `ROOTS` and all they import, dependencies first."""
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    files = FileDescriptorSet()
    seen: set[str] = set()

    def add(descriptor: Any) -> None:
        if descriptor.name in seen:
            return
        seen.add(descriptor.name)
        for dependency in descriptor.dependencies:
            add(dependency)
        descriptor.CopyToProto(files.file.add())

    for root in ROOTS:
        add(importlib.import_module(root).DESCRIPTOR)
    _add_content_type_matcher(files)
    return bytes(files.SerializeToString(deterministic=True))
