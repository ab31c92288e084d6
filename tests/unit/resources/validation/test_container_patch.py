from __future__ import annotations

from typing import Any

import pytest

from meshmeter.resources.container_patch import KIND, ContainerPatchSpec
from meshmeter.resources.envelope import NAMESPACE
from meshmeter.resources.resource import Meta, Resource
from meshmeter.resources.validation.container_patch import (
    DEEPEST,
    MOST_OPERATIONS,
    container_patch_violations,
    placement_violations,
)

FINE = {"op": "add", "path": "/env/-", "value": "{}"}


def faults_of(*operations: dict[str, Any], field: str = "sidecarPatch") -> list[str]:
    spec = ContainerPatchSpec.model_validate({field: list(operations)})
    return [str(violation) for violation in container_patch_violations(spec)]


@pytest.mark.parametrize(
    "operation",
    [
        FINE,
        {"op": "add", "path": "/a~1b~0/0", "value": '"text"'},
        {"op": "add", "path": "/a", "value": "null"},
        {"op": "replace", "path": "/a", "value": "[1.5, true]"},
        {"op": "remove", "path": "/a"},
        {"op": "remove", "path": "/a", "value": "ignored", "from": "so"},
        {"op": "move", "path": "/a", "from": "/b"},
        {"op": "copy", "path": "/a", "from": "/b"},
    ],
)
def test_operations_of_json_patch_are_accepted(operation: dict[str, str]) -> None:
    assert faults_of(operation) == []


_VALUE = "must be a string that holds JSON (a JSON string has quotes of its own: '\"text\"'): "


@pytest.mark.parametrize(
    ("operation", "place", "reason"),
    [
        ({"path": "/a"}, "op", 'cannot be empty, must be one of "add", "remove", "replace", "move", "copy"'),
        ({"op": "remove"}, "path", "cannot be empty: "),
        ({"op": "remove", "path": ""}, "path", "cannot be empty: "),
        ({"op": "remove", "path": "a"}, "path", "must be a JSON Pointer: "),
        ({"op": "remove", "path": "/a~2"}, "path", "must be a JSON Pointer: "),
        ({"op": "remove", "path": "/a" * (DEEPEST + 1)}, "path", f"must not have more than {DEEPEST} parts"),
        ({"op": "move", "path": "/a"}, "from", "cannot be empty: "),
        ({"op": "copy", "path": "/a", "from": ""}, "from", "cannot be empty: "),
        ({"op": "copy", "path": "/a", "from": "b"}, "from", "must be a JSON Pointer: "),
        ({"op": "add", "path": "/a"}, "value", "cannot be empty: "),
        ({"op": "replace", "path": "/a"}, "value", "cannot be empty: "),
        ({"op": "add", "path": "/a", "value": ""}, "value", _VALUE),
        ({"op": "add", "path": "/a", "value": "text"}, "value", _VALUE),
        ({"op": "add", "path": "/a", "value": "{} {}"}, "value", _VALUE),
        ({"op": "add", "path": "/a", "value": "NaN"}, "value", _VALUE),
        ({"op": "add", "path": "/a", "value": "1e999"}, "value", _VALUE),
        ({"op": "add", "path": "/a", "value": "9" * 5000}, "value", _VALUE),
        ({"op": "add", "path": "/a", "value": "[" * 20_000}, "value", _VALUE),
        (
            {"op": "add", "path": "/a", "value": '{"a": 1, "a": 2}'},
            "value",
            'must be a string that holds JSON, and this has the key "a" twice',
        ),
    ],
)
@pytest.mark.parametrize("field", ["sidecarPatch", "initPatch"])
def test_what_no_container_can_take_is_refused(
    operation: dict[str, str], place: str, reason: str, field: str
) -> None:
    (fault,) = faults_of(FINE, operation, field=field)

    assert fault.startswith(f"{field}[1].{place}: {reason}")
    assert len(fault) < 400


def test_a_list_has_a_limit() -> None:
    assert faults_of(*[FINE] * MOST_OPERATIONS) == []
    assert faults_of(*[FINE] * (MOST_OPERATIONS + 1)) == [
        f"sidecarPatch: has {MOST_OPERATIONS + 1} operations, must have at most {MOST_OPERATIONS}"
    ]


def placed(namespace: str | None) -> Resource[ContainerPatchSpec]:
    extensions = {NAMESPACE: namespace} if namespace else {}
    return Resource(KIND, Meta("p", name_extensions=extensions), ContainerPatchSpec())


@pytest.mark.parametrize("namespace", ["shop", None])
def test_there_are_some_in_the_namespace_of_the_control_plane_alone(namespace: str | None) -> None:
    (violation,) = placement_violations(placed(namespace), "meshmeter-system")

    assert violation.field == "metadata.namespace"
    assert violation.reason == (
        "ContainerPatch can only be placed in meshmeter-system namespace."
        " It can be however referenced by pods in all namespaces"
    )
    assert list(placement_violations(placed("meshmeter-system"), "meshmeter-system")) == []
