from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from meshmeter.documents.reader import parse_documents
from meshmeter.resources.codec import decode, to_kubernetes, to_universal
from meshmeter.resources.defaults import with_defaults
from meshmeter.resources.kinds import KINDS, Kind
from meshmeter.resources.schema import json_schema

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.singular)


def nodes(schema: Any) -> list[dict[str, Any]]:
    """Every mapping inside a schema."""
    if isinstance(schema, list):
        return [node for item in schema for node in nodes(item)]
    if isinstance(schema, dict):
        return [schema, *(node for item in schema.values() for node in nodes(item))]
    return []


@every_kind
def test_both_forms_are_described(kind: Kind) -> None:
    schema = json_schema(kind)

    universal, kubernetes = schema["$defs"]["Universal"], schema["$defs"]["Kubernetes"]
    assert universal["properties"]["type"] == {"const": kind.name, "description": "The kind of resource."}
    assert universal["required"][:2] == ["type", "name"]
    assert kubernetes["properties"]["kind"]["const"] == kind.name
    assert kubernetes["required"][:3] == ["apiVersion", "kind", "metadata"]
    assert ("mesh" in universal["required"]) == kind.mesh_scoped
    json.dumps(schema)


@every_kind
def test_every_field_is_described_and_no_other_is_allowed(kind: Kind) -> None:
    for node in nodes(json_schema(kind)):
        if "properties" in node and isinstance(node["properties"], dict):
            for name, field in node["properties"].items():
                assert "description" in field or "$ref" in field, name


@every_kind
def test_every_reference_leads_somewhere(kind: Kind) -> None:
    schema = json_schema(kind)

    for node in nodes(schema):
        if isinstance(reference := node.get("$ref"), str):
            assert reference.removeprefix("#/$defs/") in schema["$defs"]


def test_names_and_ports_are_those_of_the_wire() -> None:
    conf = json_schema(KINDS["Mesh"])["$defs"]["PrometheusConf"]

    assert {"skipMTLS", "port", "tls"} <= conf["properties"].keys()
    assert {"type": "integer", "minimum": 1, "maximum": 65535} in nodes(conf["properties"]["port"])
    assert conf["additionalProperties"] is False


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("*/*.yaml")), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_every_example_fits_its_schema(path: Path) -> None:
    for document in parse_documents(path.read_bytes(), origin=path.name):
        resource = with_defaults(decode(document.data))
        validator = jsonschema_rs.validator_for(json_schema(KINDS[resource.kind]))
        for form in (document.data, to_universal(resource), to_kubernetes(resource)):
            assert validator.is_valid(form)
            assert not validator.is_valid(form | {"metrcs": {}})
