"""Snapshots made readable again."""

from __future__ import annotations

from typing import Any

from meshmeter.xds.protos import message, to_any, to_dict
from meshmeter.xds.snapshot import Resource, Snapshot


def document(resource: Resource) -> dict[str, Any]:
    """What the resource says, zero values absent."""
    packed: Any = message("google.protobuf.Any")()
    packed.type_url, packed.value = resource.type_url, resource.value
    return to_dict(packed)


def documents(snapshot: Snapshot, type_url: str | None = None) -> dict[str, dict[str, Any]]:
    """All resources, or those of a type, by name. A cluster and its endpoints share a name: ask for one type
    then."""
    wanted = snapshot.resources if type_url is None else {type_url: snapshot.of(type_url)}
    return {name: document(r) for by_name in wanted.values() for name, r in by_name.items()}


def normal(written: dict[str, Any]) -> dict[str, Any]:
    """A document as `document` would give it back. Raises ValueError unless Envoy's schema has it."""
    return to_dict(to_any(written))
