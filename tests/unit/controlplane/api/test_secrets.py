"""Secrets of a mesh over HTTP: in, but not out."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.api_server import ServedApi, serve

DATA = base64.b64encode(b"very secret").decode()


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ServedApi]:
    async with serve(tmp_path) as served:
        yield served


async def ask(api: ServedApi, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    async with api.client() as client, client.request(method, path, json=body) as response:
        text = await response.text()
        assert DATA not in text and "very secret" not in text
        return response.status, await response.json()


async def test_written_listed_replaced_and_deleted(api: ServedApi) -> None:
    path = "/meshes/default/secrets/ca-key"
    document = {"type": "Secret", "mesh": "default", "name": "ca-key", "data": DATA}
    assert (await ask(api, "PUT", path, document))[0] == 201
    assert (await ask(api, "PUT", path, {"data": DATA}))[0] == 200
    shown = {"type": "Secret", "mesh": "default", "name": "ca-key"}
    assert await ask(api, "GET", path) == (200, shown)
    assert await ask(api, "GET", "/meshes/default/secrets") == (
        200,
        {"total": 1, "items": [shown], "next": None},
    )
    sealed = await api.store.get_secret("default/secret/ca-key")
    assert sealed is not None and b"very secret" not in sealed
    assert await ask(api, "DELETE", path) == (200, {})
    assert (await ask(api, "DELETE", path))[0] == 404
    assert (await ask(api, "GET", path))[0] == 404


async def test_a_name_that_begins_like_another_is_another(api: ServedApi) -> None:
    assert (await ask(api, "PUT", "/meshes/default/secrets/key-2", {"data": DATA}))[0] == 201
    assert (await ask(api, "GET", "/meshes/default/secrets/key"))[0] == 404
    assert (await ask(api, "PUT", "/meshes/default/secrets/key", {"data": DATA}))[0] == 201


async def test_only_in_a_mesh_that_exists_and_only_by_admins(api: ServedApi) -> None:
    status, body = await ask(api, "PUT", "/meshes/nope/secrets/key", {"data": DATA})
    assert (status, body["title"]) == (404, "Failed to retrieve Mesh")
    async with api.client(Authorization="Bearer x") as client:
        for method in ("GET", "PUT", "DELETE"):
            async with client.request(method, "/meshes/default/secrets/key", json={}) as response:
                assert response.status == 401
