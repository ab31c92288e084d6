from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from meshmeter.certs.signing_requests import make_request
from meshmeter.certs.tokens import DATAPLANE, DISCOVERY, IDENTITY
from meshmeter.store.base import Put
from support.api_server import ServedApi, serve
from support.resources import metered

KEY = ec.generate_private_key(ec.SECP256R1())
CSR = make_request(KEY).decode()
HOUR = timedelta(hours=1)
SERVICE = "prometheus-server"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ServedApi]:
    async with serve(tmp_path) as served:
        yield served


async def ask(
    api: ServedApi, token: str | None, *, mesh: str = "default", **body: Any
) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with ClientSession(api.url, headers=headers) as client:
        async with client.post(f"/meshes/{mesh}/identities", json=body) as response:
            return response.status, await response.json()


async def trust(api: ServedApi, token: str, mesh: str = "default") -> tuple[int, dict[str, Any]]:
    async with ClientSession(api.url, headers={"Authorization": f"Bearer {token}"}) as client:
        async with client.get(f"/meshes/{mesh}/trust") as response:
            return response.status, await response.json()


async def identity_token(api: ServedApi, mesh: str = "default", service: str = SERVICE) -> str:
    return await api.tokens.issue(IDENTITY, HOUR, mesh=mesh, service=service)


async def test_a_key_gets_a_certificate_and_never_travels(api: ServedApi) -> None:
    status, body = await ask(api, api.admin_token, service=SERVICE, csr=CSR)
    assert status == 201
    certificate = x509.load_pem_x509_certificate(body["certificate"].encode())
    assert certificate.public_key() == KEY.public_key()
    certificate.verify_directly_issued_by(api.authority.authorities[0].certificate)
    assert body["trustBundle"] == api.authority.authorities[0].certificate_pem.decode()
    assert (body["mesh"], body["service"]) == ("default", SERVICE)
    assert body["notAfter"] == certificate.not_valid_after_utc.isoformat().replace("+00:00", "Z")
    assert "PRIVATE" not in str(body)


async def test_an_identity_token_gets_its_own_service_only(api: ServedApi) -> None:
    token = await identity_token(api)
    assert (await ask(api, token, service=SERVICE, csr=CSR))[0] == 201
    for refused in (
        await ask(api, token, service="backend", csr=CSR),
        await ask(api, token, mesh="other", service=SERVICE, csr=CSR),
        await ask(api, await identity_token(api, mesh="other"), service=SERVICE, csr=CSR),
    ):
        assert refused[0] == 403 and "the token is for" in refused[1]["detail"]
    assert api.authority.issued == [("default", SERVICE)]


async def test_other_tokens_and_none_are_refused(api: ServedApi) -> None:
    revoked = await identity_token(api)
    await api.tokens.revoke_token(revoked)
    for token in (
        None,
        "garbage",
        revoked,
        await api.tokens.issue(DATAPLANE, HOUR, mesh="default"),
        await api.tokens.issue(DISCOVERY, HOUR),
    ):
        assert (await ask(api, token, service=SERVICE, csr=CSR))[0] == 401
    assert api.authority.issued == []


async def test_an_identity_token_opens_nothing_else_of_the_api(api: ServedApi) -> None:
    headers = {"Authorization": f"Bearer {await identity_token(api)}"}
    async with ClientSession(api.url, headers=headers) as client:
        for path in ("/meshes/default", "/meshes", "/tokens", "/"):
            async with client.get(path) as response:
                assert response.status == 401, path


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"service", "csr"}),
        ({"service": "", "csr": CSR}, {"service"}),
        ({"service": "a/b", "csr": CSR}, {"service"}),
        ({"service": ["a"], "csr": CSR}, {"service"}),
        ({"service": SERVICE, "csr": "x"}, {"csr"}),
        ({"service": SERVICE, "csr": 1, "tags": {}}, {"csr", "tags"}),
    ],
)
async def test_every_fault_is_named(api: ServedApi, body: dict[str, Any], fields: set[str]) -> None:
    status, answer = await ask(api, api.admin_token, **body)
    assert status == 400
    assert {each["field"] for each in answer["invalid_parameters"]} == fields


async def test_a_mesh_without_mtls_is_told(api: ServedApi) -> None:
    for status, body in (
        await ask(api, api.admin_token, mesh="other", service=SERVICE, csr=CSR),
        await trust(api, api.admin_token, "other"),
    ):
        assert status == 409
        assert "mesh other does not exist or has no mTLS" in body["detail"]


async def test_trust_is_for_admins_and_for_identities_of_the_mesh(api: ServedApi) -> None:
    expected = api.authority.authorities[0].certificate_pem.decode()
    for token in (api.admin_token, await identity_token(api)):
        assert await trust(api, token) == (200, {"mesh": "default", "trustBundle": expected})
    assert (await trust(api, await identity_token(api, mesh="other")))[0] == 403
    assert (await trust(api, "garbage"))[0] == 401


@pytest.mark.attack("B8: one token asks for certificates again and again")
async def test_a_token_that_asks_too_often_is_told_when_to_come_back(tmp_path: Path) -> None:
    async with serve(tmp_path, identities_per_token=2) as api:
        token = await identity_token(api)
        for expected in (201, 201, 429):
            status, body = await ask(api, token, service=SERVICE, csr=CSR)
            assert status == expected
        assert "2 certificates a minute" in body["detail"] and "--identities-per-token" in body["detail"]
        assert len(api.authority.issued) == 2
        assert (await trust(api, token))[0] == 200
        assert (await ask(api, await identity_token(api), service=SERVICE, csr=CSR))[0] == 201


async def test_mtls_that_was_switched_on_a_moment_ago_is_no_missing_mtls(tmp_path: Path) -> None:
    async with serve(tmp_path) as api:
        status, body = await ask(api, api.admin_token, mesh="fresh", service=SERVICE, csr=CSR)
        assert status == 409 and "has no mTLS" in body["detail"]
        await api.store.commit([Put(metered("fresh", mtls=True))])
        for status, body in (
            await ask(api, api.admin_token, mesh="fresh", service=SERVICE, csr=CSR),
            await trust(api, api.admin_token, mesh="fresh"),
        ):
            assert status == 409 and "switched on a moment ago; try again" in body["detail"]
