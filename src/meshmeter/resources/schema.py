"""JSON Schemas of the kinds, for editors and for the description of the resource API.

A document validates against one of two forms: Universal or Kubernetes. The schemas say less than
`validation`: what depends on several fields, or on the text of a value, is left to it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from meshmeter.resources.envelope import API_VERSION
from meshmeter.resources.kinds import Kind

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_LABELS = {"type": "object", "additionalProperties": {"type": "string"}, "description": "Labels."}
_READ_ONLY = {"readOnly": True, "description": "Written by the control plane; ignored on input."}


@cache
def json_schema(kind: Kind) -> dict[str, Any]:
    """The schema of documents of one kind. Callers must not change it."""
    spec = kind.spec.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
    definitions = spec.pop("$defs", {})
    name = kind.spec.__name__
    return {
        "$schema": DIALECT,
        "title": kind.name,
        "description": f"A {kind.name} in its Universal or its Kubernetes form.",
        "anyOf": [{"$ref": "#/$defs/Universal"}, {"$ref": "#/$defs/Kubernetes"}],
        "$defs": {
            **definitions,
            name: spec,
            "Universal": _universal(kind, spec, name),
            "Kubernetes": _kubernetes(kind, name),
        },
    }


def _universal(kind: Kind, spec: dict[str, Any], name: str) -> dict[str, Any]:
    properties = {
        "type": {"const": kind.name, "description": "The kind of resource."},
        "name": _name("Name of the resource."),
        "labels": _LABELS,
        "creationTime": _READ_ONLY,
        "modificationTime": _READ_ONLY,
        "kri": _READ_ONLY,
        "status": _READ_ONLY,
        "spec": {"$ref": f"#/$defs/{name}", "description": "The same fields, if not beside name."},
        **spec["properties"],
    }
    return _object(kind, properties, ["type", "name"])


def _kubernetes(kind: Kind, name: str) -> dict[str, Any]:
    metadata = {
        "type": "object",
        "description": "Metadata of the object.",
        "properties": {
            "name": _name("Name of the object."),
            "namespace": {"type": "string", "description": "Namespace of the object."},
            "labels": _LABELS,
            "annotations": {**_LABELS, "description": "Annotations."},
        },
        "required": ["name"],
    }
    properties = {
        "apiVersion": {"const": API_VERSION, "description": "Group and version."},
        "kind": {"const": kind.name, "description": "The kind of resource."},
        "metadata": metadata,
        "spec": {"$ref": f"#/$defs/{name}"},
        "status": _READ_ONLY,
    }
    return _object(kind, properties, ["apiVersion", "kind", "metadata"])


def _object(kind: Kind, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    if kind.mesh_scoped:
        properties["mesh"] = {
            "type": "string",
            "minLength": 1,
            "description": "Name of the Mesh that the resource belongs to.",
        }
        required = [*required, "mesh"]
    else:
        properties["mesh"] = {"type": "string", "description": "Ignored: a Mesh belongs to no other."}
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _name(description: str) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": 253, "description": description}
