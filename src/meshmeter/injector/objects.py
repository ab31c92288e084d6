"""Kubernetes objects as the API server gives them, read without trust: whatever has another shape than it should have
is read as if it were not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]
"""An object of the Kubernetes API, as parsed from JSON."""


def mapping(holder: object, *path: str) -> Mapping[str, Any]:
    """The map at a path of field names; empty if there is none."""
    found = at(holder, *path)
    return found if isinstance(found, Mapping) else {}


def sequence(holder: object, *path: str) -> Sequence[Any]:
    """The list at a path of field names; empty if there is none."""
    found = at(holder, *path)
    return found if isinstance(found, list | tuple) else ()


def text(holder: object, *path: str) -> str:
    """The text at a path of field names; empty if there is none."""
    found = at(holder, *path)
    return found if isinstance(found, str) else ""


def texts(holder: object, *path: str) -> dict[str, str]:
    """The labels, annotations or selectors at a path, in the order of their names, without what is no text."""
    found = mapping(holder, *path)
    pairs = [(k, v) for k, v in found.items() if isinstance(k, str) and isinstance(v, str)]
    return dict(sorted(pairs))


def port(holder: object, *path: str) -> int | None:
    """The port number at a path; None for whatever is not a whole number from 1 to 65535."""
    found = at(holder, *path)
    if not isinstance(found, int) or isinstance(found, bool):
        return None
    return found if 1 <= found <= 65535 else None


def at(holder: object, *path: str) -> object:
    """Whatever is at a path of field names, or None."""
    for name in path:
        if not isinstance(holder, Mapping):
            return None
        holder = holder.get(name)
    return holder
