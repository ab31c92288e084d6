"""Bodies of requests to the resource API: bounded, JSON or YAML."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from meshmeter.controlplane.api_errors import Refusal
from meshmeter.documents.reader import parse_documents
from meshmeter.errors import InvalidResource, Violation

LARGEST_DOCUMENT = 1 << 20
"""Bytes of one resource."""

LARGEST_BATCH = 64 << 20
"""Bytes of a batch."""

_YAML_OR_JSON = ("application/json", "application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")
_UNSAID = "application/octet-stream"

_IN_THREAD = 64 << 10
"""Bodies above this many bytes are parsed beside the event loop."""


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


async def read_document(request: web.Request, kind: str) -> dict[str, Any]:
    """The one document of the body, JSON or YAML. Raises Refusal."""
    if request.content_type not in (*_YAML_OR_JSON, _UNSAID):
        raise Refusal(415, "Unsupported Media Type", "send application/json or application/yaml")
    body = await read_body(request, LARGEST_DOCUMENT)
    try:
        if len(body) > _IN_THREAD:
            documents = await asyncio.to_thread(parse_documents, body, origin="body")
        else:
            documents = parse_documents(body, origin="body")
    except InvalidResource as exc:
        raise _bad(kind, exc.violations) from exc
    if len(documents) != 1:
        found = "no" if not documents else "more than one"
        raise _bad(kind, (Violation("body", f"there is {found} document in the body, there must be one"),))
    return documents[0].data


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
