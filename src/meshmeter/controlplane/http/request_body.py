"""Bodies of requests to the resource API: bounded, JSON or YAML."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from meshmeter.controlplane.http.errors import Refusal
from meshmeter.documents.faults import exact_path
from meshmeter.documents.reader import Document, read_documents
from meshmeter.errors import InvalidResource, Violation

LARGEST_DOCUMENT = 1 << 20
"""Bytes of one resource."""

LARGEST_BATCH = 64 << 20
"""Bytes of a batch."""

_YAML_OR_JSON = ("application/json", "application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")
_UNSAID = "application/octet-stream"

_IN_THREAD = 16 << 10
"""Bodies above this many bytes are parsed beside the event loop: YAML of this size takes some 10 ms."""


async def read_body(request: web.Request, limit: int) -> bytes:
    """The body. Raises Refusal (413) as soon as it is known to be larger than `limit` bytes."""
    body = bytearray()
    if (request.content_length or 0) <= limit:
        async for chunk in request.content.iter_chunked(1 << 16):
            body += chunk
            if len(body) > limit:
                break
        else:
            return bytes(body)
    raise Refusal(413, "Request Entity Too Large", f"the body may not be larger than {limit >> 10} KiB")


@dataclass(frozen=True, slots=True)
class Body:
    """The one document of a body."""

    document: Document
    warnings: tuple[str, ...]
    """Of its text."""

    async def with_lines(self, refused: InvalidResource) -> InvalidResource:
        """The refusal of the document, its faults with the lines of the fields in the body."""

        def placed() -> list[Violation]:
            lines = ((v, self.document.line_of(exact_path(v))) for v in refused.violations)
            return [replace(violation, line=line) for violation, line in lines]

        return InvalidResource(await asyncio.to_thread(placed), refused.title)


async def read_document(request: web.Request, kind: str, limit: int = LARGEST_DOCUMENT) -> Body:
    """The one document of the body, JSON or YAML. Raises Refusal."""
    if request.content_type not in (*_YAML_OR_JSON, _UNSAID):
        raise Refusal(415, "Unsupported Media Type", "send application/json or application/yaml")
    body = await read_body(request, limit)
    if len(body) > _IN_THREAD:
        parsed = await asyncio.to_thread(read_documents, body, origin="body")
    else:
        parsed = read_documents(body, origin="body")
    if parsed.faults:
        raise _bad(kind, parsed.faults)
    if len(parsed.documents) != 1:
        found = "no" if not parsed.documents else "more than one"
        raise _bad(kind, (Violation("body", f"there is {found} document in the body, there must be one"),))
    return Body(parsed.documents[0], tuple(map(str, parsed.warnings)))


async def read_json(request: web.Request, limit: int) -> dict[str, Any]:
    """The body as a JSON object. Raises Refusal."""
    if request.content_type not in ("application/json", _UNSAID):
        raise Refusal(415, "Unsupported Media Type", "send application/json")
    body = await read_body(request, limit)
    try:
        value = await asyncio.to_thread(json.loads, body) if len(body) > _IN_THREAD else json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise Refusal(400, "Bad Request", f"the body is not JSON: {str(exc)[:200]}") from exc
    if not isinstance(value, dict):
        raise Refusal(400, "Bad Request", "the body must be a JSON object")
    return value


def _bad(kind: str, faults: tuple[Violation, ...]) -> Refusal:
    first = str(faults[0])[:300] if faults else ""
    return Refusal(400, "Bad Request", f'invalid {kind} object: "{first}"', faults)
