from __future__ import annotations

from meshmeter.errors import (
    ApiError,
    InvalidResource,
    MeshInUse,
    MeshmeterError,
    MeshNotFound,
    NotFound,
    VersionConflict,
    Violation,
)


def test_a_violation_reads_as_field_and_reason() -> None:
    assert str(Violation("metrics.enabledBackend", "is wrong")) == "metrics.enabledBackend: is wrong"
    assert str(Violation("", "is wrong")) == "is wrong"


def test_a_refused_resource_names_every_fault() -> None:
    error = InvalidResource([Violation("name", "cannot be empty"), Violation("mesh", "cannot be empty")])

    assert str(error) == "Resource is not valid; name: cannot be empty; mesh: cannot be empty"
    assert [v.field for v in error.violations] == ["name", "mesh"]


def test_the_errors_of_the_store_say_what_they_are_about() -> None:
    assert str(NotFound("Dataplane", "default", "dp-1")) == "Dataplane 'dp-1' not found in mesh 'default'"
    assert str(NotFound("Mesh", "", "default")) == "Mesh 'default' not found"
    assert str(MeshNotFound("blue")) == "mesh of name blue is not found"
    assert "there are still some dataplanes attached" in str(MeshInUse("default", 2))
    conflict = VersionConflict("Mesh", "", "default", expected=1, current=3)
    assert "is at version 3, not 1" in str(conflict)
    assert isinstance(conflict, MeshmeterError)


def test_an_answer_of_the_control_plane_keeps_its_parts() -> None:
    error = ApiError(400, "Could not process a resource", "Resource is not valid", [Violation("name", "x")])

    assert str(error) == "Could not process a resource: Resource is not valid"
    assert (error.status, error.violations) == (400, (Violation("name", "x"),))
