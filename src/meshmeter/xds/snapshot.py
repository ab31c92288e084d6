"""Snapshot: everything one proxy is to have, as one immutable value.

Versions are hashes of content. Equal content has the same version in every replica and after every restart,
so a proxy that reconnects is sent only what differs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from meshmeter.xds.protos import to_any
from meshmeter.xds.types import NAME_FIELD, ORDER, SECRET

PACKED = 8192
"""How many packed resources are kept: proxies of one mesh share most endpoints and clusters, and packing one
costs about a hundred times more than finding it."""


class ResourceKey(NamedTuple):
    """What identifies a resource within a snapshot."""

    type_url: str
    name: str


@dataclass(frozen=True, slots=True)
class Resource:
    """One named message, packed."""

    type_url: str
    name: str
    version: str
    value: bytes = field(repr=False, compare=False)
    """The serialized message. Not compared: a map in it may be written in any order, the version says it
    all."""

    @property
    def key(self) -> ResourceKey:
        return ResourceKey(self.type_url, self.name)


def pack(document: Mapping[str, Any]) -> Resource:
    """The resource that a document with `@type` describes, in camelCase.

    Raises ValueError for an unknown type or field, or a resource without a name.
    """
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    # A private key is to be forgotten as soon as nobody uses it.
    return _pack(canonical) if document.get("@type") == SECRET else _pack_once(canonical)


def _pack(canonical: str) -> Resource:
    document = json.loads(canonical)
    type_url = document.get("@type", "")
    if type_url not in ORDER:
        raise ValueError(f"not a resource type: {type_url!r}")
    name = document.get(NAME_FIELD.get(type_url, "name"), "")
    if not name:
        raise ValueError(f"a resource of type {type_url} has no name")
    packed: Any = to_any(document)
    return Resource(type_url, name, _hash(canonical), packed.value)


_pack_once = lru_cache(maxsize=PACKED)(_pack)


class InconsistentSnapshot(ValueError):
    """A snapshot would break the proxy that gets it: a resource twice, or a reference to nothing."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Resources by type and name, the references between them, and what its builder had to leave out."""

    resources: Mapping[str, Mapping[str, Resource]]
    references: frozenset[tuple[ResourceKey, ResourceKey]] = frozenset()
    """Who refers to whom, as the builder knows it. It is checked, not sent."""
    problems: tuple[str, ...] = ()
    """A sentence for each part of the configuration that cannot be built. Not sent."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """By type URL: one hash over all resources of the type."""

    def of(self, type_url: str) -> Mapping[str, Resource]:
        """All resources of a type by name."""
        return self.resources.get(type_url, {})

    def consistent_faults(self) -> tuple[str, ...]:
        """A sentence for each reference to a resource that is not here; empty if Envoy can use the
        snapshot."""
        return tuple(
            f"{source.name} ({_short(source.type_url)}) refers to {target.name} ({_short(target.type_url)}), "
            "which is not in the snapshot"
            for source, target in sorted(self.references)
            if target.name not in self.of(target.type_url)
        )


def build(
    resources: Iterable[Resource],
    references: Iterable[tuple[ResourceKey, ResourceKey]] = (),
    problems: Iterable[str] = (),
) -> Snapshot:
    """The checked snapshot of these resources. Raises InconsistentSnapshot."""
    by_type: dict[str, dict[str, Resource]] = {type_url: {} for type_url in ORDER}
    for resource in resources:
        if by_type[resource.type_url].setdefault(resource.name, resource) != resource:
            raise InconsistentSnapshot(f"two different {_short(resource.type_url)} {resource.name}")
    snapshot = Snapshot(
        MappingProxyType({type_url: MappingProxyType(found) for type_url, found in by_type.items()}),
        frozenset(references),
        tuple(problems),
        MappingProxyType({type_url: _version(found.values()) for type_url, found in by_type.items()}),
    )
    if faults := snapshot.consistent_faults():
        raise InconsistentSnapshot("; ".join(faults))
    return snapshot


def _version(resources: Iterable[Resource]) -> str:
    return _hash("\n".join(f"{r.name} {r.version}" for r in sorted(resources, key=lambda r: r.name)))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _short(type_url: str) -> str:
    return type_url.rpartition(".")[2]
