from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from meshmeter.certs.tokens import ADMIN, DATAPLANE, DISCOVERY, IDENTITY, Claims, read, verify
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


@pytest.mark.attack(
    "B5: an empty name in a token request is left out, and the token allows more than was asked"
)
@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/tokens/discovery", {"meshes": [""]}, "meshes[0]"),
        ("/tokens/dataplane", {"mesh": "default", "tags": {"a": [""]}}, 'tags["a"]'),
        ("/tokens/dataplane", {"mesh": "default", "tags": {"": "1"}}, 'tags[""]'),
    ],
)
async def test_an_empty_name_is_refused(api: ServedApi, path: str, body: Any, field: str) -> None:
    before = len(api.tokens.records())
    assert await faults(api, path, body) == {field}
    assert len(api.tokens.records()) == before


async def call(api: ServedApi, method: str, path: str, body: object = None) -> tuple[int, Any]:
    async with api.client() as client, client.request(method, path, json=body) as response:
        return response.status, await response.json()


async def test_an_identity_token_names_one_service(api: ServedApi) -> None:
    claims = await issued(api, IDENTITY, "/tokens/identity", {"mesh": "default", "service": "prometheus"})
    assert (claims.mesh, claims.service) == ("default", "prometheus")
    assert claims.expires_at - claims.issued_at == timedelta(days=30)
    assert await faults(api, "/tokens/identity", {}) == {"mesh", "service"}
    assert await faults(api, "/tokens/identity", {"mesh": "default", "service": "a b"}) == {"service"}


async def test_an_admin_token_is_short_unless_told_otherwise(api: ServedApi) -> None:
    for body, hours in (({}, 24), ({"validFor": "1h"}, 1)):
        claims = await issued(api, ADMIN, "/tokens/admin", body)
        assert claims.expires_at - claims.issued_at == timedelta(hours=hours)
    assert await faults(api, "/tokens/admin", {"mesh": "default"}) == {"mesh"}


async def test_what_was_issued_is_listed_without_the_tokens(api: ServedApi) -> None:
    async with api.client() as client:
        body = {"mesh": "default", "name": "web", "tags": {"a": "1"}}
        async with client.post("/tokens/dataplane", json=body) as response:
            token = await response.text()
    status, answer = await call(api, "GET", "/tokens")
    listed = {item["kind"]: item for item in answer["items"]}
    assert status == 200 and set(listed) == {"admin", "dataplane"}
    shown = listed["dataplane"]
    assert shown["keyId"] in api.tokens.keys and shown["revokedAt"] is None
    assert (shown["mesh"], shown["name"], shown["tags"]) == ("default", "web", {"a": ["1"]})
    assert token not in str(answer) and token.rpartition(".")[2] not in str(answer)


async def test_a_revocation_by_id_or_by_token_holds_for_the_next_request(api: ServedApi) -> None:
    other = await api.tokens.issue(ADMIN, timedelta(hours=1))
    headers = {"Authorization": f"Bearer {other}"}
    async with ClientSession(api.url, headers=headers) as client:
        async with client.get("/meshes") as response:
            assert response.status == 200
        status, answer = await call(api, "POST", "/tokens/_revoke", {"token": other})
        assert status == 200 and answer["revokedAt"] and answer["kind"] == "admin"
        async with client.get("/meshes") as response:
            assert response.status == 401
            assert "revoked" in (await response.json())["detail"]
    third = await api.tokens.issue(ADMIN, timedelta(hours=1))
    token_id = read(third, api.tokens.keys).id
    assert (await call(api, "POST", "/tokens/_revoke", {"id": token_id}))[1]["id"] == token_id
    assert api.tokens.is_revoked(token_id)


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "id"), ({"id": "a", "token": "b"}, "id"), ({"token": "a.b.c"}, "token"), ({"id": 3}, "id")],
)
async def test_what_to_revoke_has_to_be_clear(api: ServedApi, body: Any, field: str) -> None:
    assert field in await faults(api, "/tokens/_revoke", body)


async def test_an_unknown_id_is_not_found_and_not_repeated(api: ServedApi) -> None:
    status, answer = await call(api, "POST", "/tokens/_revoke", {"id": "what-is-this"})
    assert status == 404 and "what-is-this" not in str(answer)


async def test_the_key_is_rotated_with_and_without_overlap(api: ServedApi) -> None:
    before = set(api.tokens.keys)
    status, answer = await call(api, "POST", "/tokens/_rotate-key", {})
    assert status == 200 and set(api.tokens.keys) == before | {answer["keyId"]}
    assert await faults(api, "/tokens/_rotate-key", {"overlap": "no"}) == {"overlap"}
    status, answer = await call(api, "POST", "/tokens/_rotate-key", {"overlap": False})
    assert status == 200 and set(api.tokens.keys) == {answer["keyId"]}
    async with api.client() as client, client.get("/meshes") as response:
        assert response.status == 401
