"""The envelope around every spec: kind, name, mesh, labels and what the store adds.

A resource is immutable; a change makes a new one with `dataclasses.replace`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from meshmeter.resources.base import Spec

S = TypeVar("S", bound=Spec, covariant=True)

EPOCH = datetime(1, 1, 1, tzinfo=UTC)
"""The time of a resource that was never stored; printed as `0001-01-01T00:00:00Z` (kuma-facts 1.1)."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What identifies a resource. `mesh` is empty for a Mesh itself."""

    kind: str
    mesh: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.mesh}/{self.name}" if self.mesh else f"{self.kind} {self.name}"


ProxyKey = tuple[str, str]
"""Mesh and name of a Dataplane, and so of its proxy."""


@dataclass(frozen=True, slots=True)
class Meta:
    """Everything about a resource but its spec."""

    name: str
    mesh: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    name_extensions: Mapping[str, str] = field(default_factory=dict)
    """`k8s.kuma.io/namespace` and `k8s.kuma.io/name` of a namespaced Kubernetes object, else empty."""
    version: int = 0
    """Counts the writes of this resource, from 1; 0 if it was never stored."""
    creation_time: datetime = EPOCH
    modification_time: datetime = EPOCH
    layers: Mapping[str, Any] = field(default_factory=dict)
    """What several wrote of one resource, in the form of the store, by who wrote it; empty if one wrote it all."""


@dataclass(frozen=True, slots=True)
class Resource(Generic[S]):
    """One resource: its kind's name, its metadata and its typed spec."""

    kind: str
    meta: Meta
    spec: S

    @property
    def key(self) -> Key:
        return Key(self.kind, self.meta.mesh, self.meta.name)

    @property
    def name(self) -> str:
        return self.meta.name

    @property
    def mesh(self) -> str:
        return self.meta.mesh


AnyResource = Resource[Any]
