"""The resources of every kind: read, written, deleted, listed.

A resource's version is its ETag. A write with `If-Match` or `If-None-Match: *` that finds another version is refused
with 409; one without wins over whatever is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web
from pydantic import Field

from meshmeter.controlplane.admission.documents import change_violations, completed, decode_for
from meshmeter.controlplane.api.bodies import AnswerBody, Nothing
from meshmeter.controlplane.api.hidden_keys import hide, is_hidden, restore
from meshmeter.controlplane.api.lookup import Lookup, no_mesh
from meshmeter.controlplane.api.preconditions import etag, expected_version
from meshmeter.controlplane.http.errors import Refusal
from meshmeter.controlplane.http.request_body import read_document
from meshmeter.documents.forms import is_kubernetes
from meshmeter.errors import (
    InvalidResource,
    MeshNotFound,
    NotFound,
    ResourceUnreadable,
    VersionConflict,
    Violation,
)
from meshmeter.resources import codec
from meshmeter.resources.kinds import Kind
from meshmeter.resources.limits import DEFAULT_LIMITS, Limits
from meshmeter.resources.resource import AnyResource
from meshmeter.resources.validation.rules import warnings
from meshmeter.store.base import Delete, Put, Store

ATTEMPTS = 3
"""How often a write without a version is repeated because somebody else wrote in between."""


class Written(AnswerBody):
    """A resource is stored."""

    warnings: list[str] = Field(default=[])


class ResourceApi:
    """The handlers; each takes the kind too."""

    def __init__(self, store: Store, lookup: Lookup, *, zone: str, limits: Limits = DEFAULT_LIMITS):
        self._store = store
        self._lookup = lookup
        self._zone = zone
        self._limits = limits

    async def get(self, kind: Kind, request: web.Request) -> web.Response:
        resource = await self._store.get(await self._lookup.key(kind, request))
        tag = etag(resource)
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        return web.json_response(_rendering(request)(resource), headers={"ETag": tag})

    async def put(self, kind: Kind, request: web.Request) -> web.Response:
        key = await self._lookup.key(kind, request, writes=True)
        expected = expected_version(request)
        body = await read_document(request, kind.name, self._limits.document_bytes)
        document = body.document.data
        try:
            if is_hidden(document):
                document = restore(document, await self._lookup.stored(key))
            new = decode_for(document, key, self._limits)
        except InvalidResource as exc:
            raise await body.with_lines(exc) from exc
        for attempt in range(ATTEMPTS):
            stored = await self._lookup.stored(key)
            current = stored.meta.version if stored else 0
            if expected is not None and not expected(current):
                raise Refusal(
                    409, "Conflict", f"{key} is at version {current}: read it again and repeat the change"
                )
            if faults := change_violations(new, stored):
                raise await body.with_lines(InvalidResource(faults))
            complete = completed(new, stored, kubernetes=is_kubernetes(document), zone=self._zone)
            try:
                (written,) = await self._store.commit([Put(complete, current)])
            except VersionConflict:
                if attempt == ATTEMPTS - 1 or expected is not None:
                    raise
                continue
            except MeshNotFound as exc:
                raise no_mesh() from exc
            assert written is not None
            found = [*body.warnings, *map(str, warnings(new))]
            answer = Written(warnings=found) if found else Written()
            return answer.response(200 if stored else 201, {"ETag": etag(written)})
        raise AssertionError("unreachable")

    async def delete(self, kind: Kind, request: web.Request) -> web.Response:
        title = "Could not delete a resource"
        key = await self._lookup.key(kind, request, title=title)
        expected = expected_version(request)
        try:
            stored = await self._lookup.stored(key)
        except ResourceUnreadable:
            if expected is not None:
                raise
            await self._store.commit([Delete(key)])
            return Nothing().response()
        if stored is None:
            raise Refusal(404, title, "Not found")
        if expected is not None and not expected(stored.meta.version):
            raise Refusal(409, "Conflict", f"{key} is at version {stored.meta.version}: read it again")
        try:
            await self._store.commit([Delete(key, stored.meta.version if expected is not None else None)])
        except NotFound as exc:
            raise Refusal(404, title, "Not found") from exc
        return Nothing().response()

    async def listed(self, kind: Kind, request: web.Request) -> web.Response:
        render = _rendering(request)
        return await self._lookup.page(kind, request, lambda items: [render(item) for item in items])


def _rendering(request: web.Request) -> Callable[[AnyResource], dict[str, Any]]:
    form = request.query.get("format", "universal")
    if form == "universal":
        return lambda resource: hide(codec.to_universal(resource))
    if form in ("kubernetes", "k8s"):
        return lambda resource: hide(codec.to_kubernetes(resource))
    reason = "must be one of universal, kubernetes, k8s"
    raise Refusal(400, "Bad Request", "Invalid format", [Violation("format", reason)])
