"""mads-assignments: what Prometheus is told about each proxy."""

from __future__ import annotations

from typing import Any

from contract.conformance import Case, vectors
from contract.deviations import out_of_scope
from contract.universal import resource
from meshmeter.effective.metrics import effective_metrics
from meshmeter.mads.assignments import AssignmentSnapshot, build_assignment, build_snapshot
from meshmeter.resources.defaults import with_defaults

CLIENT = "_kuma-default-client"
"""Without MeshMetric all clients get the same."""


def snapshot(data: dict[str, Any], *, saved: bool = False) -> AssignmentSnapshot:
    """The assignments for the resources of a case; `saved` ones have got the defaults of a stored Mesh."""
    meshes = {document["name"]: resource(document) for document in data["meshes"] or ()}
    if saved:
        meshes = {name: with_defaults(mesh) for name, mesh in meshes.items()}
    built = []
    for document in data["dataplanes"] or ():
        dataplane = resource(document)
        mesh = meshes.get(dataplane.mesh)
        effective = effective_metrics(mesh, dataplane) if mesh else None
        built.append(build_assignment(dataplane, effective))
    return build_snapshot(assignment for assignment in built if assignment is not None)


def as_expected(found: AssignmentSnapshot) -> dict[str, Any]:
    named = {assignment.name: assignment.to_json() for assignment in found.assignments}
    for fields in named.values():
        del fields["@type"]
    return named


def by_name(expected: list[dict[str, Any]] | None) -> dict[str, Any]:
    return {item["name"]: item["assignment"] for item in expected or ()}


@vectors("mads-assignments", "assignments")
def test_assignments(case: Case) -> None:
    assert as_expected(snapshot(case.data)) == by_name(case.data["expected"])


@vectors("mads-assignments", "snapshot", unless=out_of_scope)
def test_snapshot(case: Case) -> None:
    expected = case.data["expectedPerClient"]
    assert set(expected) == {CLIENT}
    assert as_expected(snapshot(case.data, saved=True)) == by_name(expected[CLIENT])
