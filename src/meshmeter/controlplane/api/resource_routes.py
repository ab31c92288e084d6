"""The routes that every kind of resource has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

from aiohttp import web

from meshmeter.controlplane.api.bodies import Nothing
from meshmeter.controlplane.api.examples import DOCUMENTS
from meshmeter.controlplane.api.parameters import (
    CONDITIONS,
    DATAPLANE_FILTERS,
    FILTERS,
    FORMAT,
    KNOWN_VERSION,
    MESH,
    in_path,
)
from meshmeter.controlplane.api.resources import ResourceApi, Written
from meshmeter.controlplane.api.route import JSON_OR_YAML, Content, PageOf, Route
from meshmeter.resources import dataplane
from meshmeter.resources.kinds import Kind


def _of(
    kind: Kind, handler: Callable[[ResourceApi, Kind, web.Request], Awaitable[web.Response]]
) -> Callable[[ResourceApi, web.Request], Awaitable[web.Response]]:
    async def handle(api: ResourceApi, request: web.Request) -> web.Response:
        return await handler(api, kind, request)

    return handle


def resource_routes(kind: Kind) -> Iterator[Route[ResourceApi]]:
    """All of one kind."""
    scope, within = ("/meshes/{mesh}", (MESH,)) if kind.mesh_scoped else ("", ())
    one, name = f"{scope}/{kind.plural}/{{name}}", f"Name of the {kind.name}."
    key = (*within, in_path("name", name, DOCUMENTS[kind.name]["name"]))
    yield Route(
        "GET",
        one,
        f"get{kind.name}",
        f"A {kind.name}",
        _of(kind, ResourceApi.get),
        {200: Content(f"The {kind.name}", kind), 304: Content("Not changed")},
        errors=(400, 404),
        parameters=(
            *key,
            FORMAT,
            KNOWN_VERSION,
        ),
    )
    yield Route(
        "PUT",
        one,
        f"put{kind.name}",
        f"Create or replace a {kind.name}",
        _of(kind, ResourceApi.put),
        {200: Content("Replaced", Written), 201: Content("Created", Written)},
        errors=(400, 404, 409, 413, 415),
        parameters=(*key, *CONDITIONS),
        body=Content("The resource.", kind, JSON_OR_YAML, DOCUMENTS[kind.name]),
    )
    yield Route(
        "DELETE",
        one,
        f"delete{kind.name}",
        f"Delete a {kind.name}",
        _of(kind, ResourceApi.delete),
        {200: Content("Deleted", Nothing)},
        errors=(400, 404, 409),
        parameters=(*key, *CONDITIONS),
    )
    lists = [(scope, within, f"list{kind.name}", kind.plural)]
    if kind.mesh_scoped:
        lists.append(("", (), f"listAll{kind.name}", f"{kind.plural} of all meshes"))
    filters = DATAPLANE_FILTERS if kind.name == dataplane.KIND else FILTERS
    for where, parameters, operation_id, what in lists:
        yield Route(
            "GET",
            f"{where}/{kind.plural}",
            operation_id,
            f"List {what}",
            _of(kind, ResourceApi.listed),
            {200: Content("One page", PageOf(kind))},
            errors=(400, 404) if parameters else (400,),
            parameters=(*parameters, *filters, FORMAT),
        )
