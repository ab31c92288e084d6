from __future__ import annotations

import base64
from typing import Any

import pytest

from meshmeter.errors import InvalidResource
from meshmeter.resources.secret import LARGEST, identity, read_secret

DATA = base64.b64encode(b"very secret").decode()


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"data": "not base64!"}, "data"),
        ({"data": 7}, "data"),
        ({}, "data"),
        ({"data": base64.b64encode(bytes(LARGEST + 1)).decode()}, "data"),
        ({"data": DATA, "mesh": "other"}, "mesh"),
        ({"data": DATA, "name": "other"}, "name"),
        ({"data": DATA, "type": "Mesh"}, "type"),
        ({"data": DATA, "value": DATA}, "value"),
    ],
)
def test_a_fault_is_named_and_the_secret_is_not_shown(document: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidResource) as caught:
        read_secret(document, "default", "key")
    assert [violation.field for violation in caught.value.violations] == [field]
    assert DATA not in str(caught.value.violations)


def test_the_name_is_one_of_dns() -> None:
    with pytest.raises(InvalidResource):
        read_secret({"data": DATA}, "default", "Not A Name")


def test_what_another_control_plane_prints_is_taken() -> None:
    document = {
        "type": "Secret",
        "mesh": "m",
        "name": "key",
        "creationTime": "2026-01-01T00:00:00Z",
        "labels": {},
        "data": DATA,
    }
    assert identity(document) == ("m", "key")
    assert read_secret(document, "m", "key") == b"very secret"
    with pytest.raises(InvalidResource, match="name: must be a string, got 7"):
        identity({"name": 7})
