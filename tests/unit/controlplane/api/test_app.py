"""The resource API over real sockets, with the real store: who may ask."""

from __future__ import annotations

import pytest
from aiohttp import ClientSession

from support.api_requests import ONE, ask
from support.api_server import ServedApi


@pytest.mark.parametrize("path", ["/", "/meshes", ONE, "/tokens/dataplane", "/nowhere"])
async def test_without_an_admin_token_there_is_no_answer(api: ServedApi, path: str) -> None:
    async with ClientSession(api.url) as anybody:
        assert (await ask(anybody, "GET", path))[0] == 401
        assert (await ask(anybody, "GET", path, Authorization="Bearer not.a.token"))[0] == 401


async def test_a_method_that_is_not_offered_is_405(client: ClientSession) -> None:
    async with client.post(ONE, json={}) as response:
        assert response.status == 405
        assert "PUT" in response.headers["Allow"]
