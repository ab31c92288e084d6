"""Tokens on request. A new token is answered bare, as text; everything here needs an admin token.

    POST /tokens/dataplane    {"mesh": "default", "name": "backend", "tags": {"kuma.io/service": ["backend"]}, …}
    POST /tokens/discovery    {"meshes": ["default"], …}
    POST /tokens/identity     {"mesh": "default", "service": "prometheus-server", …}
    POST /tokens/admin        {…}
    GET  /tokens              what was issued and is valid or revoked; never a token
    POST /tokens/_revoke      {"id": "…"} or {"token": "…"}
    POST /tokens/_rotate-key  {"overlap": true}

Each of the first four takes `validFor`, for example `"30d"`. `mesh`, and `service` of an identity, are required;
everything else is optional and narrows what the token allows (kuma-facts 9.6, deviations D24).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from meshmeter.certs.tokens import (
    ADMIN,
    ADMIN_VALIDITY,
    DATAPLANE,
    DEFAULT_VALIDITY,
    DISCOVERY,
    IDENTITY,
)
from meshmeter.controlplane.api import token_bodies as bodies
from meshmeter.controlplane.http.request_body import read_json
from meshmeter.controlplane.tokens.service import TokenService
from meshmeter.errors import InvalidResource, Unauthenticated, Violation

LARGEST_REQUEST = 64 << 10
"""Bytes."""

_TITLE = "The token request is not valid"


class TokenApi:
    """The handlers."""

    def __init__(self, tokens: TokenService, mesh_exists: Callable[[str], Awaitable[bool]]):
        self._tokens = tokens
        self._mesh_exists = mesh_exists

    async def issued(self, _request: web.Request) -> web.Response:
        items = [bodies.Token.of(record) for record in self._tokens.records()]
        return bodies.Tokens(items=items).response()

    async def admin(self, request: web.Request) -> web.Response:
        asked = bodies.AdminTokenRequest.read(await _body(request), _TITLE)
        return web.Response(text=await self._tokens.issue(ADMIN, asked.valid_for or ADMIN_VALIDITY))

    async def dataplane(self, request: web.Request) -> web.Response:
        body = await _body(request)
        asked = bodies.DataplaneTokenRequest.read(body, _TITLE, await self._known(body.get("mesh")))
        token = await self._tokens.issue(
            DATAPLANE,
            asked.valid_for or DEFAULT_VALIDITY,
            mesh=asked.mesh,
            name=asked.name or None,
            tags=asked.tags or None,
        )
        return web.Response(text=token)

    async def discovery(self, request: web.Request) -> web.Response:
        body = await _body(request)
        asked = bodies.DiscoveryTokenRequest.read(body, _TITLE, await self._known(body.get("meshes")))
        valid_for = asked.valid_for or DEFAULT_VALIDITY
        return web.Response(text=await self._tokens.issue(DISCOVERY, valid_for, meshes=asked.meshes or None))

    async def identity(self, request: web.Request) -> web.Response:
        body = await _body(request)
        asked = bodies.IdentityTokenRequest.read(body, _TITLE, await self._known(body.get("mesh")))
        valid_for = asked.valid_for or DEFAULT_VALIDITY
        token = await self._tokens.issue(IDENTITY, valid_for, mesh=asked.mesh, service=asked.service)
        return web.Response(text=token)

    async def revoke(self, request: web.Request) -> web.Response:
        asked = bodies.RevocationRequest.read(await _body(request), _TITLE)
        try:
            if asked.id:
                record = await self._tokens.revoke(asked.id)
            else:
                record = await self._tokens.revoke_token(asked.token)
        except Unauthenticated as exc:  # of the token in the body, not of who asks
            raise InvalidResource([Violation("token", str(exc))], _TITLE) from exc
        return bodies.Token.of(record).response()

    async def rotate_key(self, request: web.Request) -> web.Response:
        asked = bodies.RotationRequest.read(await _body(request), _TITLE)
        key = await self._tokens.rotate(overlap=asked.overlap)
        return bodies.NewKey(key_id=key.id).response()

    async def _known(self, named: object) -> set[str]:
        """Which of the meshes that a request names exist."""
        names = {name for name in (named if isinstance(named, list) else [named]) if isinstance(name, str)}
        return {name for name in names if bodies.is_text(name) and await self._mesh_exists(name)}


async def _body(request: web.Request) -> dict[str, Any]:
    return await read_json(request, LARGEST_REQUEST)
