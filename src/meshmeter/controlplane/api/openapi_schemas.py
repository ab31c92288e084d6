"""The component schemas of the resource API's description."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from meshmeter.controlplane.api.batch import MOST_DOCUMENTS, Outcome
from meshmeter.controlplane.api.explained_state import METRICS_WORDS
from meshmeter.controlplane.proxies.status import State
from meshmeter.effective.impact import Aspect
from meshmeter.resources.kinds import KINDS, Kind
from meshmeter.resources.schema import json_schema

Json = dict[str, Any]


def component_schemas() -> Json:
    """Every schema that the description refers to, by name."""
    text: Json = {"type": "string"}
    texts: Json = {"type": "array", "items": text}
    name: Json = {"type": "string", "minLength": 1}
    time: Json = {"type": ["string", "null"], "format": "date-time"}
    count: Json = {"type": "integer", "minimum": 0}
    token = object_schema(
        {
            "id": text,
            "kind": {"enum": ["admin", "dataplane", "discovery", "identity"]},
            "keyId": text,
            "issuedAt": time,
            "expiresAt": time,
            "revokedAt": time,
            "mesh": text,
            "name": text,
            "tags": {"type": "object", "additionalProperties": texts},
            "meshes": texts,
            "service": text,
        },
        ("id", "kind", "keyId", "issuedAt", "expiresAt", "revokedAt"),
    )
    violation = object_schema(
        {"field": text, "reason": text, "line": {"type": "integer", "minimum": 1}}, ("field", "reason")
    )
    schemas: Json = {
        "Error": object_schema(
            {
                "type": {"const": "/std-errors"},
                "status": {"type": "integer"},
                "title": text,
                "detail": text,
                "details": text,
                "invalid_parameters": {"type": "array", "items": violation},
                "causes": {"type": "array", "items": object_schema({"field": text, "message": text})},
            },
            ("type", "status", "title", "detail"),
        ),
        "Index": object_schema(
            {name: text for name in ("hostname", "product", "version", "instanceId", "clusterId")},
            ("product", "version"),
        ),
        "Written": object_schema({"warnings": texts}),
        "Batch": object_schema(
            {
                "documents": {
                    "type": "array",
                    "maxItems": MOST_DOCUMENTS,
                    "items": {"anyOf": [ref(f"{kind}Document") for kind in KINDS]},
                }
            },
            ("documents",),
        ),
        "Applied": object_schema(
            {
                "results": {
                    "type": "array",
                    "items": object_schema(
                        {
                            "kind": text,
                            "mesh": text,
                            "name": text,
                            "result": {"enum": [str(outcome) for outcome in Outcome]},
                            "diff": {"type": "string", "description": "Unified diff, with dry-run."},
                            "warnings": texts,
                        },
                        ("kind", "mesh", "name", "result", "diff", "warnings"),
                    ),
                },
                "affected": object_schema(
                    {"proxies": count, **{str(aspect): count for aspect in Aspect}}, ("proxies",)
                ),
            },
            ("results", "affected"),
        ),
        "Overview": object_schema(
            {
                "mesh": text,
                "name": text,
                "dataplane": ref("DataplaneDocument"),
                "metrics": {"enum": list(METRICS_WORDS)},
                "finding": {"type": ["string", "null"]},
                "status": {"enum": [str(state) for state in State]},
                "connectedSince": time,
                "agentVersion": text,
                "envoyVersion": text,
                "acknowledged": {"type": "object", "additionalProperties": text},
                "nack": {
                    "anyOf": [{"type": "null"}, object_schema({"type": text, "message": text, "at": time})]
                },
            },
            ("mesh", "name", "dataplane", "metrics", "status"),
        ),
        "DataplaneTokenRequest": object_schema(
            {
                "mesh": {"type": "string", "minLength": 1},
                "name": text,
                "tags": {"type": "object", "additionalProperties": texts},
                "validFor": _duration(),
            },
            ("mesh",),
            closed=True,
        ),
        "DiscoveryTokenRequest": object_schema({"meshes": texts, "validFor": _duration()}, closed=True),
        "IdentityTokenRequest": object_schema(
            {"mesh": name, "service": name, "validFor": _duration()}, ("mesh", "service"), closed=True
        ),
        "AdminTokenRequest": object_schema({"validFor": _duration("24 hours")}, closed=True),
        "Token": token,
        "Tokens": object_schema({"items": {"type": "array", "items": ref("Token")}}, ("items",)),
        "RevocationRequest": {
            "oneOf": [
                object_schema({"id": name}, ("id",), closed=True),
                object_schema({"token": name}, ("token",), closed=True),
            ]
        },
        "RotationRequest": object_schema(
            {
                "overlap": {
                    "type": "boolean",
                    "default": True,
                    "description": "False: every token that was issued before is void at once.",
                }
            },
            closed=True,
        ),
        "Secret": object_schema(
            {"type": {"const": "Secret"}, "mesh": text, "name": text}, ("type", "mesh", "name")
        ),
        "SecretDocument": object_schema(
            {
                "type": {"const": "Secret"},
                "mesh": text,
                "name": text,
                "data": {"type": "string", "contentEncoding": "base64"},
            },
            ("data",),
            closed=True,
        ),
        "IdentityRequest": object_schema(
            {
                "service": name,
                "csr": {"type": "string", "description": "Certificate signing request (PEM), P-256."},
            },
            ("service", "csr"),
            closed=True,
        ),
        "Identity": object_schema(
            {
                "mesh": text,
                "service": text,
                "certificate": text,
                "trustBundle": text,
                "notBefore": time,
                "notAfter": time,
            },
            ("mesh", "service", "certificate", "trustBundle", "notBefore", "notAfter"),
        ),
        "Trust": object_schema({"mesh": text, "trustBundle": text}, ("mesh", "trustBundle")),
    }
    for kind in KINDS.values():
        schemas |= _kind_schemas(kind)
    return schemas


def _kind_schemas(kind: Kind) -> Json:
    """The schema of a kind's documents, its definitions moved among the components under names of their own."""
    schema = {key: value for key, value in json_schema(kind).items() if key != "$schema"}
    definitions = schema.pop("$defs")
    prefix = f"{kind.name}Document"
    moved = {f"{prefix}.{name}": _moved(definition, prefix) for name, definition in definitions.items()}
    return {prefix: _moved(schema, prefix), **moved}


def _moved(value: Any, prefix: str) -> Any:
    if isinstance(value, Mapping):
        return {
            key: f"#/components/schemas/{prefix}.{item.rpartition('/')[2]}"
            if key == "$ref" and isinstance(item, str)
            else _moved(item, prefix)
            for key, item in value.items()
        }
    return [_moved(item, prefix) for item in value] if isinstance(value, list) else value


def _duration(default: str = "30 days") -> Json:
    return {"type": "string", "examples": ["24h", "30d"], "description": f"Lifetime; without one, {default}."}


def object_schema(properties: Json, required: Iterable[str] = (), *, closed: bool = False) -> Json:
    """An object; further properties are allowed unless it is `closed`."""
    schema: Json = {"type": "object", "properties": properties}
    if names := list(required):
        schema["required"] = names
    return schema | ({"additionalProperties": False} if closed else {})


def ref(name: str) -> Json:
    """A reference to one of `component_schemas`."""
    return {"$ref": f"#/components/schemas/{name}"}
