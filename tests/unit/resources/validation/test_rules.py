from __future__ import annotations

import pytest

from meshmeter.errors import Violation
from meshmeter.resources.defaults import allow_all_permission, default_mesh
from meshmeter.resources.mesh import MeshMetrics, MeshSpec
from meshmeter.resources.resource import AnyResource, Meta, Resource
from meshmeter.resources.validation.rules import violations, warnings


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
