from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from meshmeter.certs.tokens import DATAPLANE, DISCOVERY, Claims, verify
from support.api_server import ServedApi, serve


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ServedApi]:
    async with serve(tmp_path) as served:
        yield served


async def issued(api: ServedApi, audience: str, path: str, body: object) -> Claims:
    async with api.client() as client, client.post(path, json=body) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/plain"
        return verify(await response.text(), api.tokens.keys, audience=audience, now=datetime.now(UTC))


async def faults(api: ServedApi, path: str, body: object) -> set[str]:
    async with api.client() as client, client.post(path, json=body) as response:
        assert response.status == 400
        return {each["field"] for each in (await response.json()).get("invalid_parameters", ())}


async def test_a_dataplane_token_says_what_was_asked(api: ServedApi) -> None:
    body = {"mesh": "default", "name": "web", "tags": {"a": ["1", "2"], "b": "3"}, "validFor": "24h"}
    claims = await issued(api, DATAPLANE, "/tokens/dataplane", body)
    assert (claims.mesh, claims.name, claims.tags) == ("default", "web", {"a": ("1", "2"), "b": ("3",)})
    assert claims.expires_at - claims.issued_at == timedelta(hours=24)


async def test_a_token_lives_thirty_days_unless_told_otherwise(api: ServedApi) -> None:
    claims = await issued(api, DATAPLANE, "/tokens/dataplane", {"mesh": "default"})
    assert (claims.name, claims.tags) == (None, {})
    assert claims.expires_at - claims.issued_at == timedelta(days=30)


async def test_a_discovery_token_may_be_limited_to_meshes(api: ServedApi) -> None:
    assert (await issued(api, DISCOVERY, "/tokens/discovery", {})).meshes is None
    limited = await issued(api, DISCOVERY, "/tokens/discovery", {"meshes": ["default"], "validFor": "1h"})
    assert limited.meshes == ("default",)


@pytest.mark.parametrize(
    "body, fields",
    [
        ({}, {"mesh"}),
        ({"mesh": ""}, {"mesh"}),
        ({"mesh": "nope"}, {"mesh"}),
        (
            {"mesh": 1, "name": [], "tags": 3, "validFor": 7, "nme": "x"},
            {"mesh", "name", "tags", "validFor", "nme"},
        ),
        ({"mesh": "default", "tags": {"a": [], "b": [1]}}, {'tags["a"]', 'tags["b"]'}),
        ({"mesh": "default", "validFor": "0s"}, {"validFor"}),
        ({"mesh": "default", "validFor": "11y"}, {"validFor"}),
        ({"mesh": "default", "validFor": "-1h"}, {"validFor"}),
        ({"mesh": "default", "name": "a\u0000b"}, {"name"}),
    ],
)
async def test_every_fault_of_a_request_is_named(api: ServedApi, body: Any, fields: set[str]) -> None:
    assert await faults(api, "/tokens/dataplane", body) == fields


async def test_a_discovery_token_for_a_mesh_that_is_not_there(api: ServedApi) -> None:
    assert await faults(api, "/tokens/discovery", {"meshes": ["default", "nope"]}) == {"meshes[1]"}
    assert await faults(api, "/tokens/discovery", {"meshes": "default"}) == {"meshes"}
