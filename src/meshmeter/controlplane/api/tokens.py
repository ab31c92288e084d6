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

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

from aiohttp import web

from meshmeter.certs.tokens import (
    ADMIN,
    ADMIN_VALIDITY,
    DATAPLANE,
    DEFAULT_VALIDITY,
    DISCOVERY,
    IDENTITY,
    SigningKey,
)
from meshmeter.controlplane.http.request_body import read_json
from meshmeter.durations import parse_duration
from meshmeter.errors import InvalidResource, MeshNotFound, Unauthenticated, Violation
from meshmeter.resources.syntax import tag_value_fault
from meshmeter.store.token_records import TokenRecord
from meshmeter.times import rfc3339

LARGEST_REQUEST = 64 << 10
"""Bytes."""

LONGEST_VALIDITY = timedelta(days=3650)

LONGEST_TEXT = 253

LONGEST_TOKEN = 16 << 10
"""Characters of a token that is to be revoked."""


class Tokens(Protocol):
    """What issues and revokes; `token_service.TokenService` is one."""

    async def issue(
        self,
        audience: str,
        valid_for: timedelta,
        *,
        mesh: str | None = None,
        name: str | None = None,
        tags: Mapping[str, Sequence[str]] | None = None,
        meshes: Sequence[str] | None = None,
        service: str | None = None,
    ) -> str: ...

    def records(self) -> Sequence[TokenRecord]: ...

    async def revoke(self, token_id: str) -> TokenRecord: ...

    async def revoke_token(self, token: str) -> TokenRecord: ...

    async def rotate(self, *, overlap: bool) -> SigningKey: ...


class TokenApi:
    """The handlers."""

    def __init__(self, tokens: Tokens, mesh_exists: Callable[[str], Awaitable[bool]]):
        self._tokens = tokens
        self._mesh_exists = mesh_exists

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/tokens", self._list)
        app.router.add_post("/tokens/admin", self._admin)
        app.router.add_post("/tokens/dataplane", self._dataplane)
        app.router.add_post("/tokens/discovery", self._discovery)
        app.router.add_post("/tokens/identity", self._identity)
        app.router.add_post("/tokens/_revoke", self._revoke)
        app.router.add_post("/tokens/_rotate-key", self._rotate_key)

    async def _admin(self, request: web.Request) -> web.Response:
        fields = _Fields(await read_json(request, LARGEST_REQUEST), ("validFor",))
        valid_for = fields.validity(ADMIN_VALIDITY)
        fields.check()
        return web.Response(text=await self._tokens.issue(ADMIN, valid_for))

    async def _dataplane(self, request: web.Request) -> web.Response:
        fields = _Fields(await read_json(request, LARGEST_REQUEST), ("mesh", "name", "tags", "validFor"))
        mesh = await self._mesh(fields)
        name, tags, valid_for = fields.text("name"), fields.tags(), fields.validity(DEFAULT_VALIDITY)
        fields.check()
        token = await self._tokens.issue(
            DATAPLANE, valid_for, mesh=mesh, name=name or None, tags=tags or None
        )
        return web.Response(text=token)

    async def _discovery(self, request: web.Request) -> web.Response:
        fields = _Fields(await read_json(request, LARGEST_REQUEST), ("meshes", "validFor"))
        meshes, valid_for = fields.texts("meshes"), fields.validity(DEFAULT_VALIDITY)
        for index, mesh in enumerate(meshes):
            if not await self._mesh_exists(mesh):
                fields.fault(f"meshes[{index}]", str(MeshNotFound(mesh)))
        fields.check()
        return web.Response(text=await self._tokens.issue(DISCOVERY, valid_for, meshes=meshes or None))

    async def _identity(self, request: web.Request) -> web.Response:
        fields = _Fields(await read_json(request, LARGEST_REQUEST), ("mesh", "service", "validFor"))
        mesh, service = await self._mesh(fields), fields.text("service")
        if reason := tag_value_fault(service):
            fields.fault("service", reason)
        valid_for = fields.validity(DEFAULT_VALIDITY)
        fields.check()
        return web.Response(text=await self._tokens.issue(IDENTITY, valid_for, mesh=mesh, service=service))

    async def _mesh(self, fields: _Fields) -> str:
        mesh = fields.text("mesh")
        if not mesh:
            fields.fault("mesh", "cannot be empty")
        elif not await self._mesh_exists(mesh):
            fields.fault("mesh", str(MeshNotFound(mesh)))
        return mesh

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response({"items": [record_json(record) for record in self._tokens.records()]})

    async def _revoke(self, request: web.Request) -> web.Response:
        fields = _Fields(await read_json(request, LARGEST_REQUEST), ("id", "token"))
        token_id, token = fields.text("id"), fields.text("token", longest=LONGEST_TOKEN)
        if bool(token_id) == bool(token):
            fields.fault("id", "give either the id of a token or the token itself")
        fields.check()
        try:
            if token_id:
                record = await self._tokens.revoke(token_id)
            else:
                record = await self._tokens.revoke_token(token)
        except Unauthenticated as exc:  # of the token in the body, not of who asks
            raise InvalidResource([Violation("token", str(exc))], "The token request is not valid") from exc
        return web.json_response(record_json(record))

    async def _rotate_key(self, request: web.Request) -> web.Response:
        body = await read_json(request, LARGEST_REQUEST)
        fields = _Fields(body, ("overlap",))
        overlap = body.get("overlap", True)
        if not isinstance(overlap, bool):
            fields.fault("overlap", "must be true or false")
        fields.check()
        key = await self._tokens.rotate(overlap=bool(overlap))
        return web.json_response({"keyId": key.id})


def record_json(record: TokenRecord) -> dict[str, Any]:
    """What is known of a token, without the token."""
    return {
        "id": record.id,
        "kind": record.audience.rpartition("/")[2],
        "keyId": record.key_id,
        "issuedAt": rfc3339(record.issued_at),
        "expiresAt": rfc3339(record.expires_at),
        "revokedAt": rfc3339(record.revoked_at) if record.revoked_at is not None else None,
        **record.subject,
    }


class _Fields:
    """Reads the fields of a request and collects what is wrong with them."""

    def __init__(self, body: Mapping[str, Any], known: tuple[str, ...]):
        self._body = body
        self._faults = [
            Violation(str(name)[:LONGEST_TEXT], f"unknown field, known are {', '.join(known)}")
            for name in body
            if name not in known
        ]

    def fault(self, field: str, reason: str) -> None:
        self._faults.append(Violation(field, reason))

    def check(self) -> None:
        """Raises InvalidResource with all faults."""
        if self._faults:
            raise InvalidResource(self._faults, "The token request is not valid")

    def text(self, field: str, *, longest: int = LONGEST_TEXT) -> str:
        value = self._body.get(field)
        if value is None or self._is_text(field, value, longest):
            return value or ""
        return ""

    def texts(self, field: str) -> list[str]:
        value = self._body.get(field)
        if value is None:
            return []
        if not isinstance(value, list):
            self.fault(field, "must be a list of texts")
            return []
        return [item for index, item in enumerate(value) if self._is_text(f"{field}[{index}]", item)]

    def tags(self) -> dict[str, list[str]]:
        """Each tag with its allowed values; a single value may stand without a list."""
        value = self._body.get("tags")
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.fault("tags", "must map each tag to a list of values")
            return {}
        tags: dict[str, list[str]] = {}
        for tag, values in value.items():
            place = f'tags["{tag[:LONGEST_TEXT]}"]'
            listed = values if isinstance(values, list) else [values]
            if not self._is_text(place, tag):
                continue
            if not listed:
                self.fault(place, "must have at least one value")
            tags[tag] = [item for item in listed if self._is_text(place, item)]
        return tags

    def validity(self, default: timedelta) -> timedelta:
        value = self._body.get("validFor")
        if value in (None, ""):
            return default
        try:
            valid_for = timedelta(seconds=parse_duration(value)) if isinstance(value, str) else timedelta()
        except (ValueError, OverflowError):
            valid_for = timedelta()
        if not timedelta() < valid_for <= LONGEST_VALIDITY:
            self.fault("validFor", "must be a duration such as 24h or 30d, of at most ten years")
            return default
        return valid_for

    def _is_text(self, field: str, value: object, longest: int = LONGEST_TEXT) -> bool:
        if isinstance(value, str) and 0 < len(value) <= longest and value.isprintable():
            return True
        if value != "":
            self.fault(field, f"must be a text of at most {longest} printable characters")
        return False
