"""What the paths and queries of requests name, looked up in the store."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from aiohttp import web

from meshmeter.controlplane.api.list_filters import matcher
from meshmeter.controlplane.api.paging import Listing, page, page_size
from meshmeter.controlplane.http.errors import Refusal
from meshmeter.errors import NotFound
from meshmeter.resources import mesh
from meshmeter.resources.kinds import Kind
from meshmeter.resources.resource import AnyResource, Key
from meshmeter.store.base import Store

_PRINTABLE = re.compile(r"[!-~]{1,253}")


class Lookup:
    """Finds Meshes, resources and pages of them."""

    def __init__(self, store: Store):
        self._store = store

    async def mesh_exists(self, name: str) -> bool:
        """Whether there is such a Mesh, readable or not."""
        try:
            await self._store.get(Key(mesh.KIND, "", name))
        except NotFound:
            return False
        return True

    async def stored(self, key: Key) -> AnyResource | None:
        """The resource; None if there is none."""
        try:
            return await self._store.get(key)
        except NotFound:
            return None

    async def key(
        self,
        kind: Kind,
        request: web.Request,
        *,
        title: str = "Could not retrieve a resource",
        writes: bool = False,
    ) -> Key:
        """The key in the path, once its Mesh exists. Raises Refusal (404)."""
        within = await self.mesh(request) if kind.mesh_scoped else ""
        name = request.match_info["name"]
        if not writes and not _PRINTABLE.fullmatch(name):
            raise Refusal(404, title, "Not found")
        return Key(kind.name, within or "", name)

    async def mesh(self, request: web.Request) -> str | None:
        """The Mesh in the path, None if the path is about all. Raises Refusal (404) if it does not exist."""
        name = request.match_info.get("mesh")
        if name is not None and (not _PRINTABLE.fullmatch(name) or not await self.mesh_exists(name)):
            raise no_mesh()
        return name

    async def page(
        self,
        kind: Kind,
        request: web.Request,
        render: Callable[[Sequence[AnyResource]], Sequence[object]],
    ) -> web.Response:
        """The page of resources of a kind that the query asks for. Raises Refusal."""
        size = page_size(request.query.get("size"))
        matches = matcher(request.query.items())
        within = await self.mesh(request)
        found = [item for item in await self._store.list(kind.name, within) if matches(item)]
        shown = page(found, size, request.query.get("offset", ""))
        return Listing(
            total=shown.total, items=list(render(shown.items)), next=shown.next_url(request.url)
        ).response()


def no_mesh() -> Refusal:
    """The refusal of a request about a Mesh that is not there."""
    return Refusal(404, "Failed to retrieve Mesh", "Not found")
