"""That real answers are as described is tested by fuzzing (tests/integration/test_api_fuzz.py)."""

from __future__ import annotations

from meshmeter.controlplane.api.openapi_schemas import component_schemas, object_schema, ref
from meshmeter.controlplane.http.errors import error_body
from meshmeter.errors import Violation
from meshmeter.resources.kinds import KINDS


def test_every_kind_has_its_document_and_nothing_of_one_kind_leads_to_another() -> None:
    schemas = component_schemas()
    for kind in KINDS:
        assert f"{kind}Document" in schemas
        own = str([schema for name, schema in schemas.items() if name.startswith(f"{kind}Document")])
        assert "#/$defs/" not in own
        assert all(f"schemas/{other}Document" not in own for other in KINDS if other != kind)


def test_errors_have_exactly_the_fields_that_are_described() -> None:
    described = component_schemas()["Error"]["properties"]
    assert error_body(400, "t", "d", [Violation("f", "r")]).keys() == described.keys()


def test_objects_and_references() -> None:
    assert object_schema({"a": {}}) == {"type": "object", "properties": {"a": {}}}
    closed = object_schema({"a": {}}, ("a",), closed=True)
    assert (closed["required"], closed["additionalProperties"]) == (["a"], False)
    assert ref("X") == {"$ref": "#/components/schemas/X"}
