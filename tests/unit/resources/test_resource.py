from __future__ import annotations

from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import EPOCH, Key, Meta, Resource


def test_a_resource_is_known_by_kind_mesh_and_name() -> None:
    resource = Resource("Mesh", Meta("default"), MeshSpec())

    assert resource.key == Key("Mesh", "", "default")
    assert (resource.name, resource.mesh) == ("default", "")


def test_keys_read_well_and_sort_by_kind_mesh_and_name() -> None:
    assert str(Key("Mesh", "", "default")) == "Mesh default"
    assert str(Key("Dataplane", "default", "dp-1")) == "Dataplane default/dp-1"
    assert sorted([Key("Mesh", "", "a"), Key("Dataplane", "b", "a"), Key("Dataplane", "a", "b")]) == [
        Key("Dataplane", "a", "b"),
        Key("Dataplane", "b", "a"),
        Key("Mesh", "", "a"),
    ]


def test_what_was_never_stored_has_no_version_and_the_zero_time() -> None:
    meta = Meta("default")

    assert (meta.version, meta.creation_time) == (0, EPOCH)
