"""The Dataplane file: one document, checked only as far as the agent itself depends on it.

Whether the Dataplane is valid is for the control plane to say, which knows all the rules and names every
fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from meshmeter.documents.faults import located
from meshmeter.documents.forms import is_kubernetes
from meshmeter.documents.reader import Document, read_documents
from meshmeter.errors import InvalidResource, Violation

DEFAULT_MESH = "default"

_TITLE = "The Dataplane file is not valid"
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")


def parse(text: str, *, origin: str) -> tuple[Document, tuple[Violation, ...]]:
    """The one document in `text`, and what to warn of. Raises InvalidResource, with places such as `origin:3:1`."""
    parsed = read_documents(text, origin=origin)
    if parsed.faults:
        raise InvalidResource(parsed.faults, _TITLE)
    if len(parsed.documents) != 1:
        found = len(parsed.documents)
        raise _fault(origin, f"one Dataplane is expected, not {found} documents")
    (document,) = parsed.documents
    key = "kind" if is_kubernetes(document.data) else "type"
    if document.data.get(key) != "Dataplane":
        place = f"{origin}:{document.line_of(key)}: {key}"
        raise _fault(place, f'must be "Dataplane", not {_shown(document.data.get(key))}')
    return document, parsed.warnings


@contextmanager
def naming_lines(document: Document) -> Iterator[None]:
    """Give faults of the document's fields, whoever finds them, the lines of the file."""
    try:
        yield
    except InvalidResource as exc:
        raise InvalidResource(located(document, exc.violations), exc.title) from exc


def identity(document: Mapping[str, Any]) -> tuple[str, str]:
    """Mesh and name as the document, in either form, says. Raises InvalidResource.

    They become part of file names, so whatever could not be a name is refused here already.
    """
    kubernetes = is_kubernetes(document)
    metadata = document.get("metadata") if kubernetes else None
    name = metadata.get("name") if isinstance(metadata, dict) else document.get("name")
    mesh = document.get("mesh") or DEFAULT_MESH
    faults = [
        Violation(field, "cannot be empty" if not value else f"{_shown(value)} cannot be a name")
        for field, value in (("mesh", mesh), ("metadata.name" if kubernetes else "name", name))
        if not isinstance(value, str) or not _NAME.fullmatch(value) or ".." in value
    ]
    if faults:
        raise InvalidResource(faults, _TITLE)
    return mesh, str(name)


def _shown(value: object) -> str:
    return repr(value)[:300]


def _fault(field: str, reason: str) -> InvalidResource:
    return InvalidResource([Violation(field, reason)], _TITLE)
