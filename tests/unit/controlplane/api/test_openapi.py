from __future__ import annotations

import re
from typing import Any

from meshmeter.controlplane.api.app import resource_app
from meshmeter.controlplane.api.bodies import DOCUMENT
from meshmeter.controlplane.api.identities import IdentityApi
from meshmeter.controlplane.api.openapi import description
from meshmeter.controlplane.http.errors import error_body
from meshmeter.errors import Violation
from meshmeter.resources.kinds import KINDS


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_every_route_is_described_and_nothing_else() -> None:
    app = resource_app(
        None,  # type: ignore[arg-type]  # no request is made
        authenticate=lambda request: None,
        explainer=None,  # type: ignore[arg-type]  # as above
        tokens=None,  # type: ignore[arg-type]  # as above
        secrets=None,  # type: ignore[arg-type]  # as above
        identities=IdentityApi(None, None),  # type: ignore[arg-type]  # as above
    )
    served = {
        (route.resource.canonical, route.method.lower())
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    described = {(path, method) for path, item in description()["paths"].items() for method in item}
    assert described == served


def test_every_kind_has_its_document_and_nothing_of_one_kind_leads_to_another() -> None:
    schemas = description()["components"]["schemas"]
    for kind in KINDS:
        assert f"{kind}Document" in schemas
        own = str([schema for name, schema in schemas.items() if name.startswith(f"{kind}Document")])
        assert "#/$defs/" not in own
        assert all(f"schemas/{other}Document" not in own for other in KINDS if other != kind)


def test_errors_have_exactly_the_fields_that_are_described() -> None:
    described = description()["components"]["schemas"]["Error"]["properties"]
    assert error_body(400, "t", "d", [Violation("f", "r")]).keys() == described.keys()


def test_models_are_described_without_what_means_nothing_to_a_client() -> None:
    schemas = description()["components"]["schemas"]
    request = schemas["DataplaneTokenRequest"]
    assert (request["required"], request["additionalProperties"]) == (["mesh"], False)
    assert "default" not in request["properties"]["name"] and "title" not in request
    assert schemas["RotationRequest"]["properties"]["overlap"]["default"] is True
    assert "additionalProperties" not in schemas["Token"]
    assert schemas["Overview"]["properties"]["dataplane"] == {
        "$ref": "#/components/schemas/DataplaneDocument"
    }
    assert DOCUMENT not in str(schemas)


def test_every_reference_leads_somewhere() -> None:
    document = description()
    schemas = document["components"]["schemas"]
    found = references(document)
    assert found
    for reference in found:
        assert reference.removeprefix("#/components/schemas/") in schemas, reference


def test_every_parameter_of_a_path_is_described_and_operations_have_names_of_their_own() -> None:
    names = []
    for path, item in description()["paths"].items():
        for operation in item.values():
            names.append(operation["operationId"])
            given = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            assert given == set(re.findall(r"{(\w+)}", path)), path
    assert len(names) == len(set(names))
