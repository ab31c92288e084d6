"""The labels of a target: a Dataplane's tags and, on Kubernetes, its name's parts (kuma-facts 7.3)."""

from __future__ import annotations

import re

from meshmeter.resources.dataplane import SERVICE_TAG, DataplaneSpec, tag_values
from meshmeter.resources.resource import Resource

UNKNOWN_SERVICE = "unknown"
GATEWAY_LABEL = "kuma_io_mesh_gateway"
BUILTIN_GATEWAY = "BUILTIN"

_UNSAFE = re.compile(r"[^a-zA-Z0-9_]")


def sanitize(name: str) -> str:
    """A tag name as a label name."""
    return _UNSAFE.sub("_", name)


def target_labels(dataplane: Resource[DataplaneSpec]) -> dict[str, str]:
    """Per tag one label with its first value and a plural one with all, `,a,b,`; then the Kubernetes name.

    Tags are handled in sorted order, so that a user's own tag `versions` replaces the plural of `version`.
    """
    labels: dict[str, str] = {}
    tags = tag_values(dataplane.spec)
    for name in sorted(tags):
        values = sorted(tags[name])
        labels[sanitize(name)] = values[0]
        labels[sanitize(name + "s")] = f",{','.join(values)},"
    for name, value in sorted(dataplane.meta.name_extensions.items()):
        labels[sanitize(name)] = value
    networking = dataplane.spec.networking
    if networking and networking.gateway and networking.gateway.type == BUILTIN_GATEWAY:
        # There is no kind MeshGateway here whose name could be the value.
        labels[GATEWAY_LABEL] = ""
    return labels


def services(dataplane: Resource[DataplaneSpec]) -> tuple[str, ...]:
    """The services that the Dataplane provides, sorted; `unknown` alone if it names none."""
    return tuple(sorted(tag_values(dataplane.spec).get(SERVICE_TAG, ()))) or (UNKNOWN_SERVICE,)
