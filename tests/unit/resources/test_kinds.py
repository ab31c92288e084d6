from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from meshmeter.resources.base import Model
from meshmeter.resources.kinds import KINDS, KUBERNETES_ONLY, Kind, find_kind, kind_of

REFERENCE = Path(__file__).resolve().parents[3] / "docs" / "resources.md"


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("mesh", "Mesh"),
        ("meshes", "Mesh"),
        ("Dataplane", "Dataplane"),
        ("dataplanes", "Dataplane"),
        ("dp", "Dataplane"),
        ("TrafficPermission", "TrafficPermission"),
        ("traffic-permission", "TrafficPermission"),
        ("traffic-permissions", "TrafficPermission"),
        ("tp", "TrafficPermission"),
    ],
)
def test_a_kind_is_found_by_any_of_its_names(word: str, kind: str) -> None:
    assert find_kind(word) == KINDS[kind]


def test_no_kind_has_another_name() -> None:
    assert find_kind("pod") is None


def test_no_two_kinds_share_a_name() -> None:
    words = [
        w for k in (*KINDS.values(), *KUBERNETES_ONLY.values()) for w in (k.singular, k.plural, *k.aliases)
    ]

    assert len(words) == len(set(words))


def field_names(model: type[Model]) -> set[str]:
    names = set()
    for name, field in model.model_fields.items():
        names.add(field.alias or name)
        for nested in _models(field.annotation):
            names |= field_names(nested)
    return names


def _models(annotation: Any) -> list[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]


def test_a_kind_that_only_kubernetes_has_is_none_that_is_stored_or_asked_for() -> None:
    assert find_kind("ContainerPatch") is None
    assert "ContainerPatch" not in KINDS
    assert kind_of("ContainerPatch") is KUBERNETES_ONLY["ContainerPatch"]
    assert kind_of("Mesh") is KINDS["Mesh"]


@pytest.mark.parametrize("kind", (*KINDS.values(), *KUBERNETES_ONLY.values()), ids=lambda kind: kind.singular)
def test_the_reference_names_every_field(kind: Kind) -> None:
    words = set(REFERENCE.read_text().replace("`", " ").replace(".", " ").replace("[]", " ").split())

    assert field_names(kind.spec) - {word.strip(",;:") for word in words} == set()
