"""Secrets of a mesh, for `mtls.backends[].conf` (`{secret: NAME}`). They are written and removed, and never answered.

    GET         /meshes/{mesh}/secrets          which there are
    GET         /meshes/{mesh}/secrets/{name}   whether there is one
    PUT DELETE  /meshes/{mesh}/secrets/{name}   {"type": "Secret", "mesh", "name", "data": base64}

Needs an admin token.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from aiohttp import web
from pydantic import Field

from meshmeter.controlplane.api.bodies import AnswerBody, Nothing
from meshmeter.controlplane.http.errors import Refusal
from meshmeter.controlplane.http.request_body import read_document
from meshmeter.controlplane.identity.secret_vault import SecretVault
from meshmeter.errors import InvalidResource, NotFound
from meshmeter.resources.secret import KIND, read_secret


class Secret(AnswerBody):
    """That there is a secret, never what it holds."""

    type: Literal["Secret"]
    mesh: str
    name: str


class Secrets(AnswerBody):
    """All of a mesh."""

    total: int = Field(ge=0)
    items: list[Secret]
    next: None
    """They are one page."""


class SecretApi:
    """The handlers."""

    def __init__(self, vault: SecretVault, mesh_exists: Callable[[str], Awaitable[bool]]):
        self._vault = vault
        self._mesh_exists = mesh_exists

    async def listed(self, request: web.Request) -> web.Response:
        mesh = await self._mesh(request)
        prefix = _stored_name(mesh, "")
        items = [_shown(mesh, name.removeprefix(prefix)) for name in await self._vault.names(prefix)]
        return Secrets(total=len(items), items=items, next=None).response()

    async def get(self, request: web.Request) -> web.Response:
        mesh, name = await self._mesh(request), request.match_info["name"]
        if _stored_name(mesh, name) not in await self._vault.names(_stored_name(mesh, name)):
            raise NotFound(KIND, mesh, name)
        return _shown(mesh, name).response()

    async def put(self, request: web.Request) -> web.Response:
        mesh, name = await self._mesh(request), request.match_info["name"]
        body = await read_document(request, KIND)
        try:
            data = read_secret(body.document.data, mesh, name)
        except InvalidResource as exc:
            raise await body.with_lines(exc) from exc
        stored = _stored_name(mesh, name)
        is_new = stored not in await self._vault.names(stored)
        await self._vault.put(stored, data)
        return Nothing().response(201 if is_new else 200)

    async def delete(self, request: web.Request) -> web.Response:
        mesh, name = await self._mesh(request), request.match_info["name"]
        if not await self._vault.delete(_stored_name(mesh, name)):
            raise NotFound(KIND, mesh, name)
        return Nothing().response()

    async def _mesh(self, request: web.Request) -> str:
        mesh = request.match_info["mesh"]
        if not await self._mesh_exists(mesh):
            raise Refusal(404, "Failed to retrieve Mesh", "Not found")
        return mesh


def _stored_name(mesh: str, name: str) -> str:
    return f"{mesh}/secret/{name}"


def _shown(mesh: str, name: str) -> Secret:
    return Secret(type="Secret", mesh=mesh, name=name)
