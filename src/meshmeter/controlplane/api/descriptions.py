"""What answers here, and the descriptions of it."""

from __future__ import annotations

import secrets
import socket
from typing import Any

from aiohttp import web

from meshmeter import __version__
from meshmeter.controlplane.api.bodies import AnswerBody
from meshmeter.controlplane.http.errors import Refusal
from meshmeter.resources.kinds import find_kind
from meshmeter.resources.schema import json_schema
from meshmeter.store.base import Store

PRODUCT = "meshmeter"

CLUSTER_ID = "cluster-id"
"""Name of the secret that identifies the store behind one or several control planes."""


class Index(AnswerBody):
    """What answers."""

    hostname: str
    product: str
    version: str
    instance_id: str
    """Of this process."""
    cluster_id: str
    """Of the store."""


class DescriptionApi:
    """The handlers."""

    def __init__(self, store: Store, description: dict[str, Any]):
        """`description` is the OpenAPI description."""
        self._store = store
        self._description = description
        self._instance = f"{socket.gethostname()}-{secrets.token_hex(2)}"

    async def index(self, _request: web.Request) -> web.Response:
        index = Index(
            hostname=socket.gethostname(),
            product=PRODUCT,
            version=__version__,
            instance_id=self._instance,
            cluster_id=await self._cluster_id(),
        )
        return index.response()

    async def _cluster_id(self) -> str:
        stored = await self._store.get_secret(CLUSTER_ID)
        if stored is None:
            stored = secrets.token_hex(16).encode()
            await self._store.put_secret(CLUSTER_ID, stored)
        return stored.decode()

    async def openapi(self, _request: web.Request) -> web.Response:
        return web.json_response(self._description)

    async def schema(self, request: web.Request) -> web.Response:
        kind = find_kind(request.match_info["kind"])
        if kind is None:
            raise Refusal(404, "Could not retrieve a schema", "Not found")
        return web.json_response(json_schema(kind), content_type="application/schema+json")
