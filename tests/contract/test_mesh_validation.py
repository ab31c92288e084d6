"""What a Mesh may say: its metrics and mTLS backends, its certificate authority, and how it may change."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from contract.conformance import Case, vectors
from meshmeter.durations import parse_single
from meshmeter.errors import InvalidResource, Violation
from meshmeter.resources.codec import decode
from meshmeter.resources.mesh import MeshSpec, MtlsBackend
from meshmeter.resources.resource import AnyResource
from meshmeter.resources.validation.authority import builtin_ca_violations, provided_ca_violations
from meshmeter.resources.validation.rules import mesh_change_violations


def faults(document: dict[str, Any]) -> list[Violation]:
    try:
        decode(document)
    except InvalidResource as refused:
        return list(refused.violations)
    return []


def pairs(found: list[Violation]) -> Counter[tuple[str, str]]:
    return Counter((violation.field, violation.reason) for violation in found)


def expected(listed: list[dict[str, str]]) -> Counter[tuple[str, str]]:
    return Counter((violation["field"], violation["message"]) for violation in listed)


@vectors("mesh-validation", "validate-mesh-spec")
def test_spec(case: Case) -> None:
    found = faults({"type": "Mesh", "name": "mesh-1", **(case.data["mesh"] or {})})

    assert pairs(found) == expected(case.data["violations"])
    assert case.data["valid"] == (not found)


@vectors("mesh-validation", "validate-ca-backend")
def test_certificate_authority(case: Case) -> None:
    backend = MtlsBackend.model_validate(case.data["backend"])
    if backend.type == "builtin":
        found = list(builtin_ca_violations(case.data["meshName"], backend, "mtls.backends"))
    else:
        conf = backend.conf or {}
        found = list(provided_ca_violations(conf, "", read_file=lambda name: Path(name).read_bytes()))

    if prefix := case.data.get("messagePrefixOnly"):
        assert [v.field for v in found] == [v["field"] for v in case.data["violations"]]
        assert all(v.reason.startswith(prefix) for v in found)
    else:
        assert pairs(found) == expected(case.data["violations"])


@vectors("mesh-validation", "parse-duration")
def test_duration(case: Case) -> None:
    duration = parse_single(case.data["input"])

    if case.data.get("error") or case.data.get("errorContains"):
        assert duration is None
    else:
        assert duration is not None
        assert duration.total_seconds() == case.data["seconds"]


class Meshes:
    """What the resource API does with a Mesh, in memory."""

    def __init__(self) -> None:
        self.meshes: dict[str, AnyResource] = {}
        self.dataplanes: set[str] = set()

    def apply(self, operation: dict[str, Any]) -> str | list[Violation]:
        name = operation["name"]
        match operation["op"]:
            case "create" | "update":
                return self._put({"type": "Mesh", "name": name, **(operation["mesh"] or {})})
            case "create-dataplane":
                mesh = operation["meshName"]
                decode({"type": "Dataplane", "name": name, "mesh": mesh, **operation["dataplane"]})
                self.dataplanes.add(mesh)
            case "delete" if name in self.dataplanes:
                return "mesh: unable to delete mesh, there are still some dataplanes attached"
        return []

    def _put(self, document: dict[str, Any]) -> list[Violation]:
        try:
            new = decode(document)
        except InvalidResource as refused:
            return list(refused.violations)
        old = self.meshes.get(new.name)
        if old is not None and (found := mesh_change_violations(old.spec, new.spec)):
            return found
        self.meshes[new.name] = new
        return []


@vectors("mesh-validation", "mesh-operations")
def test_operations(case: Case) -> None:
    meshes = Meshes()
    for operation in case.data["operations"]:
        outcome = meshes.apply(operation)
        if isinstance(outcome, str):
            assert operation["result"] == "error"
            assert outcome == operation.get("error", outcome)
            assert operation.get("errorContains", "") in outcome
        else:
            assert isinstance(outcome, list)
            assert pairs(outcome) == expected(operation.get("violations", []))
            assert (operation["result"] == "ok") == (not outcome)


def test_a_mesh_without_mtls_may_change_to_any_authority() -> None:
    assert mesh_change_violations(MeshSpec(), MeshSpec()) == []
