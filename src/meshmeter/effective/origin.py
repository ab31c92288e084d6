"""A value together with where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T", covariant=True)


class Layer(StrEnum):
    """The layers of precedence, lowest first."""

    DEFAULT = "default"
    MESH = "Mesh"
    DATAPLANE = "Dataplane"
    ANNOTATION = "annotation"


@dataclass(frozen=True, slots=True)
class Origin:
    """The place a value was written at."""

    layer: Layer
    resource: str = ""
    """e.g. `Mesh default` or `Dataplane default/backend-1`; empty for a built-in default."""
    field: str = ""
    """Field path in that resource; empty for a built-in default."""


@dataclass(frozen=True, slots=True)
class Sourced(Generic[T]):
    """An effective value, its origin, and the values it overrode, highest layer first."""

    value: T
    origin: Origin
    overrode: tuple[Sourced[T], ...] = ()
