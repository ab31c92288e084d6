"""The resource API (kuma-facts 9.2). Every request but for the descriptions carries an admin token.

    GET             /                                            what answers here
    GET PUT DELETE  /meshes/{name}                               the Mesh
    GET PUT DELETE  /meshes/{mesh}/{kind}/{name}                 dataplanes, traffic-permissions
    GET             /meshes, /meshes/{mesh}/{kind}, /{kind}      lists, of one mesh or of all
    POST            /_apply?dry-run=true|false                   several documents, all or none
    GET             /meshes/{mesh}/dataplanes/{name}/_metrics    what holds for one proxy
    GET             /meshes/{name}/_metrics                      the same summed up for a mesh
    GET             …/dataplanes/{name}/_overview, …/dataplanes/_overview, /dataplanes/_overview
                    /tokens…                                     see token_api
                    /meshes/{mesh}/secrets…                      see secret_api
                    /meshes/{mesh}/identities, …/trust           see identity_api; identity tokens too
    GET             /schemas/{kind}, /openapi.json               descriptions, for everybody

A resource's version is its ETag. A write with `If-Match` or `If-None-Match: *` that finds another version is refused
with 409; one without wins over whatever is stored.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

from aiohttp import web

from meshmeter import __version__
from meshmeter.addresses import IPNetwork
from meshmeter.controlplane.admission.documents import change_violations, completed, decode_for
from meshmeter.controlplane.admission.written_by import is_away
from meshmeter.controlplane.api import identities as identity_api
from meshmeter.controlplane.api.batch import (
    MOST_DOCUMENTS,
    apply_resources,
    decode_documents,
)
from meshmeter.controlplane.api.hidden_keys import hide, is_hidden, restore
from meshmeter.controlplane.api.list_filters import matcher
from meshmeter.controlplane.api.openapi import description
from meshmeter.controlplane.api.paging import page, page_size
from meshmeter.controlplane.api.preconditions import etag, expected_version
from meshmeter.controlplane.api.secrets import SecretApi, Vault
from meshmeter.controlplane.api.tokens import TokenApi, Tokens
from meshmeter.controlplane.http.errors import Handler, Refusal, error_middleware
from meshmeter.controlplane.http.request_body import LARGEST_BATCH, read_document, read_json
from meshmeter.documents.forms import is_kubernetes
from meshmeter.errors import (
    InvalidResource,
    MeshNotFound,
    NotFound,
    ResourceUnreadable,
    VersionConflict,
    Violation,
)
from meshmeter.resources import codec, dataplane, mesh
from meshmeter.resources.envelope import open_envelope
from meshmeter.resources.faults import Faults
from meshmeter.resources.kinds import KINDS, Kind, find_kind
from meshmeter.resources.limits import DEFAULT_LIMITS, Limits
from meshmeter.resources.resource import AnyResource, Key, Resource
from meshmeter.resources.schema import json_schema
from meshmeter.resources.validation.rules import warnings
from meshmeter.store.base import Delete, Put, Store

PRODUCT = "meshmeter"

ATTEMPTS = 3
"""How often a write without a version is repeated because somebody else wrote in between."""

CLUSTER_ID = "cluster-id"
"""Name of the secret that identifies the store behind one or several control planes."""

KEPT = (
    "What an operator applied to its Dataplane is kept for when it comes back; "
    "`meshmeter delete dataplane` forgets that"
)

_PRINTABLE = re.compile(r"[!-~]{1,253}")
_OPEN = ("/openapi.json", "/schemas/")


class ExplainProvider(Protocol):
    """What the API asks about proxies; `explain.Explainer` is one."""

    def dataplane(self, mesh: str, name: str) -> dict[str, Any] | None: ...

    def mesh(self, name: str) -> dict[str, Any] | None: ...

    def overviews(self, dataplanes: Sequence[Resource[Any]]) -> Iterable[dict[str, Any]]: ...


def resource_app(
    store: Store,
    *,
    authenticate: Callable[[web.Request], object],
    explainer: ExplainProvider,
    tokens: Tokens,
    identities: identity_api.IdentityApi,
    secrets: Vault,
    zone: str = "default",
    allowed_networks: Sequence[IPNetwork] = (),
    limits: Limits = DEFAULT_LIMITS,
) -> web.Application:
    """The application. `authenticate` raises TokenError for a request that may not be answered."""

    @web.middleware
    async def admins_only(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(_OPEN) and not _guards_itself(request):
            authenticate(request)
        return await handler(request)

    app = web.Application(middlewares=[error_middleware, admins_only], client_max_size=LARGEST_BATCH)
    api = _ResourceApi(store, explainer, zone, tuple(allowed_networks), limits)
    api.add_routes(app)
    TokenApi(tokens, api.mesh_exists).add_routes(app)
    SecretApi(secrets, api.mesh_exists).add_routes(app)
    identities.add_routes(app)
    return app


def _guards_itself(request: web.Request) -> bool:
    resource = request.match_info.route.resource
    return resource is not None and resource.canonical in identity_api.ROUTES


class _ResourceApi:
    def __init__(
        self,
        store: Store,
        explainer: ExplainProvider,
        zone: str,
        allowed_networks: tuple[IPNetwork, ...],
        limits: Limits,
    ):
        self._store = store
        self._explainer = explainer
        self._zone = zone
        self._allowed_networks = allowed_networks
        self._limits = limits
        self._instance = f"{socket.gethostname()}-{secrets.token_hex(2)}"

    def add_routes(self, app: web.Application) -> None:
        add = app.router
        add.add_get("/", self._index)
        add.add_get("/openapi.json", self._openapi)
        add.add_get("/schemas/{kind}", self._schema)
        add.add_post("/_apply", self._apply)
        add.add_get("/meshes/{name}/_metrics", self._explain_mesh)
        item = "/meshes/{mesh}/dataplanes/{name}"
        add.add_get(f"{item}/_metrics", self._explain_dataplane)
        add.add_get(f"{item}/_overview", self._overview)
        add.add_get("/meshes/{mesh}/dataplanes/_overview", self._overviews)
        add.add_get("/dataplanes/_overview", self._overviews)
        for kind in KINDS.values():
            scope = "/meshes/{mesh}" if kind.mesh_scoped else ""
            one = f"{scope}/{kind.plural}/{{name}}"
            add.add_get(one, _of(kind, self._get))
            add.add_put(one, _of(kind, self._put))
            add.add_delete(one, _of(kind, self._delete))
            add.add_get(f"/{kind.plural}", _of(kind, self._list))
            if kind.mesh_scoped:
                add.add_get(f"/meshes/{{mesh}}/{kind.plural}", _of(kind, self._list))

    async def mesh_exists(self, name: str) -> bool:
        try:
            await self._store.get(Key(mesh.KIND, "", name))
        except NotFound:
            return False
        return True

    # Descriptions

    async def _index(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "hostname": socket.gethostname(),
                "product": PRODUCT,
                "version": __version__,
                "instanceId": self._instance,
                "clusterId": await self._cluster_id(),
            }
        )

    async def _cluster_id(self) -> str:
        stored = await self._store.get_secret(CLUSTER_ID)
        if stored is None:
            stored = secrets.token_hex(16).encode()
            await self._store.put_secret(CLUSTER_ID, stored)
        return stored.decode()

    async def _openapi(self, _request: web.Request) -> web.Response:
        return web.json_response(description())

    async def _schema(self, request: web.Request) -> web.Response:
        kind = find_kind(request.match_info["kind"])
        if kind is None:
            raise Refusal(404, "Could not retrieve a schema", "Not found")
        return web.json_response(json_schema(kind), content_type="application/schema+json")

    # One resource

    async def _get(self, kind: Kind, request: web.Request) -> web.Response:
        resource = await self._store.get(await self._key(kind, request))
        tag = etag(resource)
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        return web.json_response(_rendering(request)(resource), headers={"ETag": tag})

    async def _put(self, kind: Kind, request: web.Request) -> web.Response:
        key = await self._key(kind, request, writes=True)
        expected = expected_version(request)
        body = await read_document(request, kind.name, self._limits.document_bytes)
        document = body.document.data
        try:
            if is_hidden(document):
                document = restore(document, await self._stored(key))
            new = decode_for(document, key, self._limits)
        except InvalidResource as exc:
            raise await body.with_lines(exc) from exc
        for attempt in range(ATTEMPTS):
            stored = await self._stored(key)
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
                raise _no_mesh() from exc
            assert written is not None
            found = [*body.warnings, *map(str, warnings(new))]
            return web.json_response(
                {"warnings": found} if found else {},
                status=200 if stored else 201,
                headers={"ETag": etag(written)},
            )
        raise AssertionError("unreachable")

    async def _delete(self, kind: Kind, request: web.Request) -> web.Response:
        title = "Could not delete a resource"
        key = await self._key(kind, request, title=title)
        expected = expected_version(request)
        try:
            stored = await self._stored(key)
        except ResourceUnreadable:
            if expected is not None:
                raise
            await self._store.commit([Delete(key)])
            return web.json_response({})
        if stored is None:
            raise Refusal(404, title, "Not found")
        if expected is not None and not expected(stored.meta.version):
            raise Refusal(409, "Conflict", f"{key} is at version {stored.meta.version}: read it again")
        try:
            await self._store.commit([Delete(key, stored.meta.version if expected is not None else None)])
        except NotFound as exc:
            raise Refusal(404, title, "Not found") from exc
        return web.json_response({})

    async def _stored(self, key: Key) -> AnyResource | None:
        try:
            return await self._store.get(key)
        except NotFound:
            return None

    async def _key(
        self,
        kind: Kind,
        request: web.Request,
        *,
        title: str = "Could not retrieve a resource",
        writes: bool = False,
    ) -> Key:
        """The key in the path, once its Mesh exists. Raises Refusal (404)."""
        within = await self._mesh(request) if kind.mesh_scoped else ""
        name = request.match_info["name"]
        if not writes and not _PRINTABLE.fullmatch(name):
            raise Refusal(404, title, "Not found")
        return Key(kind.name, within or "", name)

    async def _mesh(self, request: web.Request) -> str | None:
        """The Mesh in the path, None if the path is about all. Raises Refusal (404) if it does not exist."""
        name = request.match_info.get("mesh")
        if name is not None and (not _PRINTABLE.fullmatch(name) or not await self.mesh_exists(name)):
            raise _no_mesh()
        return name

    # Lists

    async def _list(self, kind: Kind, request: web.Request) -> web.Response:
        render = _rendering(request)
        return await self._page(kind, request, lambda items: [render(item) for item in items])

    async def _page(
        self,
        kind: Kind,
        request: web.Request,
        render: Callable[[Sequence[AnyResource]], list[dict[str, Any]]],
    ) -> web.Response:
        size = page_size(request.query.get("size"))
        matches = matcher(request.query.items())
        within = await self._mesh(request)
        found = [item for item in await self._store.list(kind.name, within) if matches(item)]
        shown = page(found, size, request.query.get("offset", ""))
        return web.json_response(
            {"total": shown.total, "items": render(shown.items), "next": shown.next_url(request.url)}
        )

    # Batches

    async def _apply(self, request: web.Request) -> web.Response:
        dry_run = _flag(request, "dry-run")
        body = await read_json(request, LARGEST_BATCH)
        documents = body.get("documents")
        if not isinstance(documents, list):
            raise InvalidResource([Violation("documents", "must be a list of resources")])
        if len(documents) > MOST_DOCUMENTS:
            reason = f"there may be at most {MOST_DOCUMENTS} documents, not {len(documents)}"
            raise InvalidResource([Violation("documents", reason)])
        documents = [await self._with_keys(document, index) for index, document in enumerate(documents)]
        decoded = await asyncio.to_thread(decode_documents, documents, self._limits)
        batch = await apply_resources(
            self._store,
            decoded,
            zone=self._zone,
            allowed_networks=self._allowed_networks,
            dry_run=dry_run,
        )
        return web.json_response(await asyncio.to_thread(batch.to_json, with_diff=dry_run))

    async def _with_keys(self, document: object, index: int) -> object:
        """A document that refers to what is stored and not shown, with that. Raises InvalidResource."""
        if not isinstance(document, dict) or not is_hidden(document):
            return document
        envelope = open_envelope(document, Faults())
        if envelope is None:
            return document  # decoding it says why
        key = Key(envelope.kind.name, envelope.meta.mesh, envelope.meta.name)
        return restore(document, await self._stored(key), where=f"documents[{index}].")

    # What holds

    async def _explain_dataplane(self, request: web.Request) -> web.Response:
        within, name = await self._mesh(request) or "", request.match_info["name"]
        answer = self._explainer.dataplane(within, name)
        stored = await self._stored(Key(dataplane.KIND, within, name)) if answer is None else None
        if stored is not None and is_away(stored):
            raise Refusal(404, "Could not retrieve a resource", f"the proxy of {stored.key} is away. {KEPT}")
        return _found(answer)

    async def _explain_mesh(self, request: web.Request) -> web.Response:
        return _found(self._explainer.mesh(request.match_info["name"]))

    async def _overview(self, request: web.Request) -> web.Response:
        resource = await self._store.get(await self._key(KINDS[dataplane.KIND], request))
        (shown,) = self._with_overviews([resource])
        return web.json_response(shown)

    async def _overviews(self, request: web.Request) -> web.Response:
        return await self._page(KINDS[dataplane.KIND], request, self._with_overviews)

    def _with_overviews(self, dataplanes: Sequence[AnyResource]) -> list[dict[str, Any]]:
        return [
            {"mesh": item.mesh, "name": item.name, "dataplane": hide(codec.to_universal(item)), **overview}
            for item, overview in zip(dataplanes, self._explainer.overviews(dataplanes), strict=True)
        ]


def _of(kind: Kind, handler: Callable[[Kind, web.Request], Awaitable[web.Response]]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(kind, request)

    return handle


def _found(answer: dict[str, Any] | None) -> web.Response:
    if answer is None:
        raise Refusal(404, "Could not retrieve a resource", "Not found")
    return web.json_response(answer)


def _no_mesh() -> Refusal:
    return Refusal(404, "Failed to retrieve Mesh", "Not found")


def _rendering(request: web.Request) -> Callable[[AnyResource], dict[str, Any]]:
    form = request.query.get("format", "universal")
    if form == "universal":
        return lambda resource: hide(codec.to_universal(resource))
    if form in ("kubernetes", "k8s"):
        return lambda resource: hide(codec.to_kubernetes(resource))
    reason = "must be one of universal, kubernetes, k8s"
    raise Refusal(400, "Bad Request", "Invalid format", [Violation("format", reason)])


def _flag(request: web.Request, name: str) -> bool:
    value = request.query.get(name, "false")
    if value not in ("true", "false"):
        raise Refusal(400, "Bad Request", "Invalid parameter", [Violation(name, "must be true or false")])
    return value == "true"
