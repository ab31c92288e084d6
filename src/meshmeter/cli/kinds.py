"""Kinds as users name them, and where the resource API has them."""

from __future__ import annotations

import difflib

from meshmeter.cli.client import path_to
from meshmeter.errors import SettingsError
from meshmeter.resources.kinds import KINDS, Kind, find_kind


def kind_of(word: str) -> Kind:
    """The kind of this name, plural or alias. Raises SettingsError with the name that was probably meant."""
    kind = find_kind(word)
    if kind is None:
        words = [name for k in KINDS.values() for name in (k.singular, k.plural)]
        near = difflib.get_close_matches(word.lower(), words, 1)
        hint = (
            f'did you mean "{near[0]}"?'
            if near
            else f"known are {', '.join(k.singular for k in KINDS.values())}"
        )
        raise SettingsError(f"unknown kind {word!r}: {hint}")
    return kind


def list_path(kind: Kind, mesh: str | None) -> str:
    """Path of a list: of one mesh, or with None of all."""
    if kind.mesh_scoped and mesh is not None:
        return path_to("meshes", mesh, kind.plural)
    return path_to(kind.plural)


def item_path(kind: Kind, mesh: str, name: str) -> str:
    """Path of one resource."""
    return list_path(kind, mesh) + path_to(name)
