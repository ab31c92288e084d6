"""The OpenAPI 3.1 description of the resource API, made from the route table, the models and the kinds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from meshmeter import __version__
from meshmeter.controlplane.api import routes
from meshmeter.controlplane.api.bodies import DOCUMENT
from meshmeter.controlplane.api.paging import Listing
from meshmeter.controlplane.api.route import Access, Content, Json, PageOf, Route, Shape
from meshmeter.controlplane.http.errors import Error
from meshmeter.resources.kinds import KINDS, Kind
from meshmeter.resources.schema import json_schema

_COMPONENTS = "#/components/schemas/"

_ERRORS = {
    400: "Refused, with every fault",
    401: "No valid token",
    403: "The token does not cover it",
    404: "There is none",
    409: "Another version is stored",
    413: "The body is too large",
    415: "Neither JSON nor YAML",
    429: "One token asks too often",
    503: "The store is away",
}

_EVERYWHERE = (401, 503)
"""What every request but for the public ones may be answered."""


@cache
def description() -> Json:
    """The description. Callers must not change it."""
    paths: Json = {}
    for route in routes.ALL:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "meshmeter resource API",
            "version": __version__,
            "description": "Resources of the mesh, and what holds for the metrics of each proxy.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"admin": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "admin": {"type": "http", "scheme": "bearer", "description": "An admin token."}
            },
            "schemas": _component_schemas(routes.ALL),
        },
    }


def _operation(route: Route[Any]) -> Json:
    answers = {str(status): _content(content) for status, content in route.answers.items()}
    refusals = route.errors if route.access is Access.PUBLIC else (*route.errors, *_EVERYWHERE)
    for status in refusals:
        answers[str(status)] = _content(Content(_ERRORS[status], Error))
    operation: Json = {
        "operationId": route.operation_id,
        "summary": route.summary,
        "parameters": [
            {
                "name": each.name,
                "in": each.place,
                **({"required": True} if each.place == "path" else {}),
                "description": each.text,
                "schema": each.schema,
            }
            for each in route.parameters
        ],
        "responses": answers,
    }
    if route.body is not None:
        operation["requestBody"] = {"required": True, **_content(route.body)}
    return operation | ({"security": []} if route.access is Access.PUBLIC else {})


def _content(content: Content) -> Json:
    described: Json = {"description": content.text}
    if content.shape is None:
        return described
    media: Json = {"schema": _schema(content.shape)}
    if content.example is not None:
        media["example"] = content.example
    return described | {"content": dict.fromkeys(content.types, media)}


def _schema(shape: Shape) -> Json:
    if isinstance(shape, PageOf):
        page = Listing.model_json_schema(schema_generator=_Generator)
        page["properties"]["items"]["items"] = _schema(shape.item)
        return page
    if isinstance(shape, dict):
        return shape
    return {"$ref": _COMPONENTS + (_document(shape) if isinstance(shape, Kind) else shape.__name__)}


def _component_schemas(table: Iterable[Route[Any]]) -> Json:
    """Every schema that the description refers to, by name."""
    models = {model: None for route in table for model in _models(route)} | {Error: None}
    _, schema = models_json_schema(
        [(model, "validation") for model in models],
        ref_template=_COMPONENTS + "{model}",
        schema_generator=_Generator,
    )
    schemas: Json = _with_documents(schema["$defs"])
    for kind in KINDS.values():
        schemas |= _kind_schemas(kind)
    return schemas


def _models(route: Route[Any]) -> Iterator[type[BaseModel]]:
    for content in (*route.answers.values(), *([route.body] if route.body else [])):
        shape = content.shape.item if isinstance(content.shape, PageOf) else content.shape
        if isinstance(shape, type):
            yield shape


class _Generator(GenerateJsonSchema):
    """Without what means nothing to a client: titles made of names, and defaults that stand for "not said"."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        described = super().model_schema(schema)
        described.pop("title", None)
        return described

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if not schema.get("default"):
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def _document(kind: Kind) -> str:
    return f"{kind.name}Document"


def _kind_schemas(kind: Kind) -> Json:
    """The schema of a kind's documents, its definitions moved among the components under names of their own."""
    schema = {key: value for key, value in json_schema(kind).items() if key != "$schema"}
    definitions = schema.pop("$defs")
    prefix = _document(kind)
    moved = {f"{prefix}.{name}": _moved(definition, prefix) for name, definition in definitions.items()}
    return {prefix: _moved(schema, prefix), **moved}


def _moved(value: Any, prefix: str) -> Any:
    if isinstance(value, Mapping):
        return {
            key: f"{_COMPONENTS}{prefix}.{item.rpartition('/')[2]}"
            if key == "$ref" and isinstance(item, str)
            else _moved(item, prefix)
            for key, item in value.items()
        }
    return [_moved(item, prefix) for item in value] if isinstance(value, list) else value


def _with_documents(value: Any) -> Any:
    """References to documents of a kind where a model says that there stands one."""
    if isinstance(value, Mapping):
        if DOCUMENT in value:
            return {"$ref": _COMPONENTS + _document(KINDS[value[DOCUMENT]])}
        return {key: _with_documents(item) for key, item in value.items()}
    return [_with_documents(item) for item in value] if isinstance(value, list) else value
