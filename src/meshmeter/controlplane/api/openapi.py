"""The OpenAPI 3.1 description of the resource API, made from the kinds and their schemas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from meshmeter import __version__
from meshmeter.controlplane.api.openapi_schemas import Json, component_schemas, object_schema, ref
from meshmeter.controlplane.api.paging import DEFAULT_SIZE, LARGEST_SIZE
from meshmeter.resources import dataplane
from meshmeter.resources.kinds import KINDS, Kind

_EMPTY: Json = {"type": "object", "maxProperties": 0}


@cache
def description() -> Json:
    """The description. Callers must not change it."""
    paths: Json = {}
    for kind in KINDS.values():
        paths |= _kind_paths(kind)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "meshmeter resource API",
            "version": __version__,
            "description": "Resources of the mesh, and what holds for the metrics of each proxy.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"admin": []}],
        "paths": paths | _other_paths(),
        "components": {
            "securitySchemes": {
                "admin": {"type": "http", "scheme": "bearer", "description": "An admin token."}
            },
            "schemas": component_schemas(),
        },
    }


def _kind_paths(kind: Kind) -> Json:
    scope = "/meshes/{mesh}" if kind.mesh_scoped else ""
    named = [_mesh_parameter()] if kind.mesh_scoped else []
    name = [*named, _path_parameter("name", f"Name of the {kind.name}.")]
    listed = _list_operation(kind)
    paths: Json = {
        f"{scope}/{kind.plural}/{{name}}": {
            "get": _operation(
                f"get{kind.name}",
                f"A {kind.name}",
                [*name, _format_parameter(), _header("If-None-Match", "Version that is known already.")],
                {200: _json(f"The {kind.name}", ref(f"{kind.name}Document")), 304: _bare("Not changed")},
                errors=(400, 404),
            ),
            "put": _operation(
                f"put{kind.name}",
                f"Create or replace a {kind.name}",
                [*name, *_conditions()],
                {
                    200: _json("Replaced", ref("Written")),
                    201: _json("Created", ref("Written")),
                },
                errors=(400, 404, 409, 413, 415),
                body=_body(
                    ref(f"{kind.name}Document"), ("application/json", "application/yaml"), "The resource."
                ),
            ),
            "delete": _operation(
                f"delete{kind.name}",
                f"Delete a {kind.name}",
                [*name, *_conditions()],
                {200: _json("Deleted", _EMPTY)},
                errors=(400, 404, 409),
            ),
        },
        f"{scope}/{kind.plural}": {"get": _with(listed, named, f"list{kind.name}", f"{kind.plural}")},
    }
    if kind.mesh_scoped:
        every = f"{kind.plural} of all meshes"
        paths[f"/{kind.plural}"] = {"get": _with(listed, [], f"listAll{kind.name}", every)}
    return paths


def _list_operation(kind: Kind) -> Json:
    return _operation(
        "",
        "",
        [*_page_parameters(kind), _format_parameter()],
        {200: _json("One page", _page_of(ref(f"{kind.name}Document")))},
        errors=(400, 404),
    )


def _with(operation: Json, parameters: list[Json], operation_id: str, what: str) -> Json:
    return {
        **operation,
        "operationId": operation_id,
        "summary": f"List {what}",
        "parameters": [*parameters, *operation["parameters"]],
    }


def _other_paths() -> Json:
    proxy = [_mesh_parameter(), _path_parameter("name", "Name of the Dataplane.")]
    overviews = _operation(
        "",
        "",
        _page_parameters(KINDS[dataplane.KIND]),
        {200: _json("One page", _page_of(ref("Overview")))},
        errors=(400, 404),
    )
    secret = [_mesh_parameter(), _path_parameter("name", "Name of the secret.")]
    kinds = [word for kind in KINDS.values() for word in (kind.name, kind.singular, kind.plural)]
    public: Json = {"security": []}
    return {
        "/": {"get": _operation("index", "What answers here", [], {200: _json("Product", ref("Index"))})},
        "/_apply": {
            "post": _operation(
                "apply",
                "Write several resources, all or none",
                [
                    {
                        "name": "dry-run",
                        "in": "query",
                        "description": "True: say what would happen, write nothing.",
                        "schema": {"type": "boolean", "default": False},
                    }
                ],
                {200: _json("What happened to each", ref("Applied"))},
                errors=(400, 409, 413, 415),
                body=_body(ref("Batch"), ("application/json",), "The resources, in either form."),
            )
        },
        "/meshes/{name}/_metrics": {
            "get": _operation(
                "explainMesh",
                "How the proxies of a mesh are",
                [_path_parameter("name", "Name of the Mesh.")],
                {200: _json("The summary", {"type": "object"})},
                errors=(404,),
            )
        },
        "/meshes/{mesh}/dataplanes/{name}/_metrics": {
            "get": _operation(
                "explainDataplane",
                "What holds for the metrics of one proxy, and why",
                proxy,
                {200: _json("The explanation", {"type": "object"})},
                errors=(404,),
            )
        },
        "/meshes/{mesh}/dataplanes/{name}/_overview": {
            "get": _operation(
                "overview",
                "A Dataplane and the state of its proxy",
                proxy,
                {200: _json("The overview", ref("Overview"))},
                errors=(404,),
            )
        },
        "/meshes/{mesh}/dataplanes/_overview": {
            "get": _with(overviews, [_mesh_parameter()], "listOverviews", "Dataplanes with their states")
        },
        "/dataplanes/_overview": {
            "get": _with(overviews, [], "listAllOverviews", "Dataplanes of all meshes with their states")
        },
        "/tokens/dataplane": {"post": _token_operation("dataplane", "DataplaneTokenRequest")},
        "/tokens/discovery": {"post": _token_operation("discovery", "DiscoveryTokenRequest")},
        "/tokens/identity": {"post": _token_operation("identity", "IdentityTokenRequest")},
        "/tokens/admin": {"post": _token_operation("admin", "AdminTokenRequest")},
        "/tokens": {
            "get": _operation(
                "listTokens",
                "What was issued and has not expired; never a token",
                [],
                {200: _json("The tokens", ref("Tokens"))},
            )
        },
        "/tokens/_revoke": {
            "post": _operation(
                "revokeToken",
                "Make a token void",
                [],
                {200: _json("The token", ref("Token"))},
                errors=(400, 404, 413, 415),
                body=_body(ref("RevocationRequest"), ("application/json",), "Which: its id, or itself."),
            )
        },
        "/tokens/_rotate-key": {
            "post": _operation(
                "rotateKey",
                "Sign tokens with a new key",
                [],
                {200: _json("The new key", object_schema({"keyId": {"type": "string"}}, ("keyId",)))},
                errors=(400, 413, 415),
                body=_body(ref("RotationRequest"), ("application/json",), "What becomes of earlier tokens."),
            )
        },
        "/meshes/{mesh}/secrets": {
            "get": _operation(
                "listSecrets",
                "The secrets of a mesh; never what they hold",
                [_mesh_parameter()],
                {200: _json("All of them", _page_of(ref("Secret")))},
                errors=(404,),
            )
        },
        "/meshes/{mesh}/secrets/{name}": {
            "get": _operation(
                "getSecret",
                "Whether there is a secret; never what it holds",
                secret,
                {200: _json("There is", ref("Secret"))},
                errors=(404,),
            ),
            "put": _operation(
                "putSecret",
                "Write a secret",
                secret,
                {200: _json("Replaced", _EMPTY), 201: _json("Created", _EMPTY)},
                errors=(400, 404, 413, 415),
                body=_body(ref("SecretDocument"), ("application/json", "application/yaml"), "The secret."),
            ),
            "delete": _operation(
                "deleteSecret",
                "Delete a secret",
                secret,
                {200: _json("Deleted", _EMPTY)},
                errors=(404,),
            ),
        },
        "/meshes/{mesh}/identities": {
            "post": _operation(
                "issueIdentity",
                "A certificate of the mesh for a key of yours; an identity token may ask too",
                [_mesh_parameter()],
                {201: _json("The certificate", ref("Identity"))},
                errors=(400, 403, 409, 413, 415, 429),
                body=_body(ref("IdentityRequest"), ("application/json",), "The service and the key."),
            )
        },
        "/meshes/{mesh}/trust": {
            "get": _operation(
                "trust",
                "What the mesh trusts now; an identity token may ask too",
                [_mesh_parameter()],
                {200: _json("The certificates", ref("Trust"))},
                errors=(403, 409),
            )
        },
        "/schemas/{kind}": {
            "get": _operation(
                "schema",
                "JSON Schema of a kind",
                [_path_parameter("kind", "Name of the kind.", {"type": "string", "enum": kinds})],
                {200: {"description": "The schema", "content": {"application/schema+json": {}}}},
                errors=(404,),
            )
            | public
        },
        "/openapi.json": {
            "get": _operation(
                "openapi", "This description", [], {200: _json("The description", {"type": "object"})}
            )
            | public
        },
    }


def _token_operation(audience: str, request: str) -> Json:
    return _operation(
        f"{audience}Token",
        f"Issue a {audience} token",
        [],
        {200: {"description": "The token", "content": {"text/plain": {"schema": {"type": "string"}}}}},
        errors=(400, 413, 415),
        body=_body(ref(request), ("application/json",), "What the token covers."),
    )


def _page_parameters(kind: Kind) -> list[Json]:
    parameters = [
        _query(
            "size",
            "Items per page.",
            {"type": "integer", "minimum": 1, "maximum": LARGEST_SIZE, "default": DEFAULT_SIZE},
        ),
        _query("offset", "From `next` of the page before.", {"type": "string"}),
        _query("name", "Part of the name.", {"type": "string"}),
        _query("filter[labels.team]", "Value of the label; any label may stand there.", {"type": "string"}),
    ]
    if kind.name == dataplane.KIND:
        parameters += [
            _query("tag", "A tag and its value.", {"type": "string", "pattern": "^[^:]+:.*$"}),
            _query(
                "gateway",
                "Whether it is a gateway, and which.",
                {"type": "string", "enum": ["true", "false", "builtin", "delegated"]},
            ),
        ]
    return parameters


def _format_parameter() -> Json:
    return _query(
        "format", "Form of the resources.", {"type": "string", "enum": ["universal", "kubernetes", "k8s"]}
    )


def _conditions() -> list[Json]:
    return [
        _header("If-Match", "Only if the stored version is this."),
        {**_header("If-None-Match", "Only if nothing is stored."), "schema": {"const": "*"}},
    ]


def _header(name: str, text: str) -> Json:
    return {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}


def _query(name: str, text: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "description": text, "schema": schema}


def _mesh_parameter() -> Json:
    return _path_parameter("mesh", "Name of the Mesh.")


def _path_parameter(name: str, text: str, schema: Json | None = None) -> Json:
    given = schema or {"type": "string", "minLength": 1, "maxLength": 253, "examples": ["default"]}
    return {"name": name, "in": "path", "required": True, "description": text, "schema": given}


def _page_of(item: Json) -> Json:
    return object_schema(
        {
            "total": {"type": "integer", "minimum": 0},
            "items": {"type": "array", "items": item},
            "next": {"type": ["string", "null"], "description": "Address of the next page."},
        },
        ("total", "items", "next"),
    )


def _operation(
    operation_id: str,
    summary: str,
    parameters: list[Json],
    responses: Mapping[int, Json],
    *,
    errors: Iterable[int] = (),
    body: Json | None = None,
) -> Json:
    answers = {str(status): response for status, response in responses.items()}
    for status in (*errors, 401, 503):
        answers[str(status)] = _json(_ERRORS[status], ref("Error"))
    operation: Json = {
        "operationId": operation_id,
        "summary": summary,
        "parameters": parameters,
        "responses": answers,
    }
    return operation if body is None else operation | {"requestBody": body}


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


def _body(schema: Json, types: Iterable[str], text: str) -> Json:
    content = {media_type: {"schema": schema} for media_type in types}
    return {"required": True, "description": text, "content": content}


def _json(text: str, schema: Json) -> Json:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _bare(text: str) -> Json:
    return {"description": text}
