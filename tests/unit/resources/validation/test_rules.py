from __future__ import annotations

import pytest

from meshmeter.errors import Violation
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.defaults import allow_all_permission, default_mesh
from meshmeter.resources.mesh import MeshMetrics, MeshSpec
from meshmeter.resources.resource import AnyResource, Meta, Resource
from meshmeter.resources.validation.rules import meta_violations, violations, warnings


@pytest.mark.parametrize("resource", [default_mesh(), allow_all_permission()])
def test_a_good_resource_has_neither_faults_nor_warnings(resource: AnyResource) -> None:
    assert violations(resource) == []
    assert warnings(resource) == []


def test_faults_of_metadata_and_spec_are_named_together() -> None:
    mesh = Resource("Mesh", Meta(""), MeshSpec(metrics=MeshMetrics(enabled_backend="x")))

    assert violations(mesh) == [
        Violation("name", "cannot be empty"),
        Violation("metrics.enabledBackend", "has to be set to one of the backends in the mesh"),
    ]


def of_mesh(meta: Meta) -> list[str]:
    return [str(violation) for violation in meta_violations(Resource("Mesh", meta, MeshSpec()))]


def of_dataplane(meta: Meta) -> list[str]:
    return [str(violation) for violation in meta_violations(Resource("Dataplane", meta, DataplaneSpec()))]


def test_good_metadata() -> None:
    assert of_mesh(Meta("default", labels={"kuma.io/zone": "east"})) == []
    assert of_dataplane(Meta("pod-1.shop", "my_mesh")) == []


@pytest.mark.parametrize("length", [63, 64])
def test_a_mesh_has_a_shorter_name(length: int) -> None:
    name = "x" * length

    assert of_mesh(Meta(name)) == ([] if length == 63 else ["name: cannot be longer than 63 characters"])
    assert of_dataplane(Meta(name, "default")) == []


def test_what_belongs_to_a_mesh_names_it() -> None:
    assert of_dataplane(Meta("d")) == ["mesh: cannot be empty"]
    (fault,) = of_dataplane(Meta("d", "My mesh"))
    assert fault.startswith("mesh: invalid characters. Valid characters are numbers")


def test_labels_are_judged_one_by_one() -> None:
    found = of_mesh(Meta("m", labels={"a b": "x", "c": "y z", "d": "ok"}))

    assert [fault.partition(": ")[0] for fault in found] == ['labels["a b"]', 'labels["c"]']
