"""Secrets of a mesh: documents like the others, but kept encrypted and never shown.

type: Secret
mesh: default
name: ca-key
data: <base64>
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from meshmeter.errors import InvalidResource, Violation
from meshmeter.resources import syntax
from meshmeter.resources.strict_decoding import show

KIND = "Secret"

DEFAULT_MESH = "default"

LARGEST = 512 << 10
"""Bytes of one secret."""


class SecretDocument(BaseModel):
    """A document, as it is described; `read_secret` reads it."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    type: Literal["Secret"] = "Secret"
    mesh: str = ""
    """As in the path."""
    name: str = ""
    """As in the path."""
    data: str = Field(json_schema_extra={"contentEncoding": "base64"}, examples=["c2VjcmV0"])


_FIELDS = tuple(SecretDocument.model_fields)
_IGNORED = ("labels", "creationTime", "modificationTime", "kri")
"""What other control planes print beside them."""


def identity(document: Mapping[str, Any]) -> tuple[str, str]:
    """Mesh and name of a document. Raises InvalidResource."""
    mesh, name = document.get("mesh", DEFAULT_MESH), document.get("name", "")
    faults = [
        Violation(field, f"must be a string, got {show(value)}")
        for field, value in (("mesh", mesh), ("name", name))
        if not isinstance(value, str)
    ]
    if faults:
        raise InvalidResource(faults)
    return mesh, name


def read_secret(document: Mapping[str, Any], mesh: str, name: str) -> bytes:
    """What the secret of this mesh and name holds. Raises InvalidResource, which never shows it."""
    faults = [
        Violation(str(field)[:253], f"unknown field, known are {', '.join(_FIELDS)}")
        for field in document
        if field not in (*_FIELDS, *_IGNORED)
    ]
    for field, wanted in (("type", KIND), ("mesh", mesh), ("name", name)):
        if document.get(field, wanted) != wanted:
            faults.append(Violation(field, f"must be {wanted}, as in the path"))
    if fault := syntax.name_fault(name):
        faults.append(Violation("name", fault))
    data = b""
    try:
        data = base64.b64decode(document.get("data", ""), validate=True)
    except (binascii.Error, TypeError, ValueError):
        faults.append(Violation("data", "must be base64"))
    else:
        if not 0 < len(data) <= LARGEST:
            faults.append(Violation("data", f"must have 1 to {LARGEST} bytes"))
    if faults:
        raise InvalidResource(faults)
    return data
