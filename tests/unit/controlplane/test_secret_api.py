"""Secrets of a mesh over HTTP: in, but not out."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from meshmeter.controlplane.secret_api import LARGEST, read_secret
from meshmeter.errors import InvalidResource
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


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"data": "not base64!"}, "data"),
        ({"data": 7}, "data"),
        ({}, "data"),
        ({"data": base64.b64encode(bytes(LARGEST + 1)).decode()}, "data"),
        ({"data": DATA, "mesh": "other"}, "mesh"),
        ({"data": DATA, "name": "other"}, "name"),
        ({"data": DATA, "type": "Mesh"}, "type"),
        ({"data": DATA, "value": DATA}, "value"),
    ],
)
def test_a_fault_is_named_and_the_secret_is_not_shown(document: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidResource) as caught:
        read_secret(document, "default", "key")
    assert [violation.field for violation in caught.value.violations] == [field]
    assert DATA not in str(caught.value.violations)


def test_the_name_is_one_of_dns() -> None:
    with pytest.raises(InvalidResource):
        read_secret({"data": DATA}, "default", "Not A Name")
