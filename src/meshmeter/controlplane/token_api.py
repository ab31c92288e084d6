"""Tokens on request: `POST /tokens/dataplane` and `POST /tokens/discovery` answer with the bare token.

    {"mesh": "default", "name": "backend", "tags": {"kuma.io/service": ["backend"]}, "validFor": "30d"}
    {"meshes": ["default"], "validFor": "30d"}

`mesh` is required; everything else is optional and narrows what the token allows (kuma-facts 9.6, deviations D24).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Protocol

from aiohttp import web

from meshmeter.certs.tokens import DATAPLANE, DEFAULT_VALIDITY, DISCOVERY
from meshmeter.controlplane.request_body import read_json
from meshmeter.errors import InvalidResource, MeshNotFound, Violation
from meshmeter.mads.durations import parse_duration

LARGEST_REQUEST = 64 << 10
"""Bytes."""

LONGEST_VALIDITY = timedelta(days=3650)

LONGEST_TEXT = 253


class Sign(Protocol):
    """Makes a token for an audience. The claims are those of `certs.tokens.issue`."""

    def __call__(self, audience: str, valid_for: timedelta, **claims: object) -> str: ...


class TokenApi:
    """The handlers."""

    def __init__(self, sign: Sign, mesh_exists: Callable[[str], Awaitable[bool]]):
        self._sign = sign
        self._mesh_exists = mesh_exists

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/tokens/dataplane", self._dataplane)
        app.router.add_post("/tokens/discovery", self._discovery)

    async def _dataplane(self, request: web.Request) -> web.Response:
        fields = _Fields(await read_json(request, LARGEST_REQUEST), ("mesh", "name", "tags", "validFor"))
        mesh = fields.text("mesh")
        if not mesh:
            fields.fault("mesh", "cannot be empty")
        elif not await self._mesh_exists(mesh):
            fields.fault("mesh", str(MeshNotFound(mesh)))
        name, tags, valid_for = fields.text("name"), fields.tags(), fields.validity()
        fields.check()
        token = self._sign(DATAPLANE, valid_for, mesh=mesh, name=name or None, tags=tags or None)
        return web.Response(text=token)

    async def _discovery(self, request: web.Request) -> web.Response:
        fields = _Fields(await read_json(request, LARGEST_REQUEST), ("meshes", "validFor"))
        meshes, valid_for = fields.texts("meshes"), fields.validity()
        for index, mesh in enumerate(meshes):
            if not await self._mesh_exists(mesh):
                fields.fault(f"meshes[{index}]", str(MeshNotFound(mesh)))
        fields.check()
        return web.Response(text=self._sign(DISCOVERY, valid_for, meshes=meshes or None))


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

    def text(self, field: str) -> str:
        value = self._body.get(field)
        if value is None or self._is_text(field, value):
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

    def validity(self) -> timedelta:
        value = self._body.get("validFor")
        if value in (None, ""):
            return DEFAULT_VALIDITY
        try:
            valid_for = timedelta(seconds=parse_duration(value)) if isinstance(value, str) else timedelta()
        except (ValueError, OverflowError):
            valid_for = timedelta()
        if not timedelta() < valid_for <= LONGEST_VALIDITY:
            self.fault("validFor", "must be a duration such as 24h or 30d, of at most ten years")
            return DEFAULT_VALIDITY
        return valid_for

    def _is_text(self, field: str, value: object) -> bool:
        if isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT and value.isprintable():
            return True
        if value != "":
            self.fault(field, f"must be a text of at most {LONGEST_TEXT} printable characters")
        return False
