"""Where the authority of a mesh comes from, and what keeps it from coming."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from meshmeter.certs.mesh_ca import MeshAuthority, make_authority
from meshmeter.controlplane.identity.ca_sources import AuthoritySource, is_external
from meshmeter.controlplane.identity.secret_vault import SecretVault
from meshmeter.errors import MeshAuthorityUnusable
from meshmeter.resources.mesh import Mtls
from meshmeter.store.sqlite import SqliteStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[SecretVault]:
    store = await SqliteStore.open(tmp_path / "m.db")
    yield await SecretVault.open(store, tmp_path)
    await store.close()


@pytest.fixture
def source(vault: SecretVault, clock: Clock) -> AuthoritySource:
    return AuthoritySource(vault, now=clock)


def mtls(kind: str = "builtin", conf: dict[str, Any] | None = None, **more: Any) -> Mtls:
    backend = {"name": "ca-1", "type": kind, **({"conf": conf} if conf else {})}
    return Mtls.model_validate({"enabledBackend": "ca-1", "backends": [backend], **more})


def users_own(valid_for: timedelta = YEAR) -> MeshAuthority:
    key = ec.generate_private_key(ec.SECP256R1())
    return make_authority("shop", key, serial=3, now=NOW, valid_for=valid_for)


def key_pem(authority: MeshAuthority) -> str:
    return authority.to_pem().decode().split("-----BEGIN CERTIFICATE")[0]


async def unusable(source: AuthoritySource, wanted: Mtls) -> str:
    with pytest.raises(MeshAuthorityUnusable) as caught:
        await source.authority("shop", wanted)
    assert "PRIVATE KEY" not in str(caught.value)
    return caught.value.reason


async def test_builtin_is_made_once(source: AuthoritySource, vault: SecretVault, clock: Clock) -> None:
    first = await source.authority("shop", mtls())
    assert (await source.authority("shop", mtls())).fingerprint == first.fingerprint
    again = AuthoritySource(vault, now=clock)
    assert (await again.authority("shop", mtls())).fingerprint == first.fingerprint
    assert (await source.authority("other", mtls())).fingerprint != first.fingerprint
    assert first.not_after == NOW + 10 * YEAR


async def test_builtin_is_replaced_in_the_last_third_of_its_life(
    source: AuthoritySource, clock: Clock
) -> None:
    first = await source.authority("shop", mtls())
    clock.now = NOW + 7 * YEAR
    assert (await source.authority("shop", mtls())).fingerprint != first.fingerprint


async def test_builtin_as_the_mesh_wants_it(source: AuthoritySource) -> None:
    conf = {"caCert": {"RSAbits": 2048, "expiration": "30d"}}
    found = await source.authority("shop", mtls(conf=conf))
    assert isinstance(found.key, rsa.RSAPrivateKey) and found.key.key_size == 2048
    assert found.not_after == NOW + timedelta(days=30)


@pytest.mark.parametrize("where", ["inline", "inlineString", "file", "secret"])
async def test_provided_wherever_it_is(
    source: AuthoritySource, vault: SecretVault, tmp_path: Path, where: str
) -> None:
    own = users_own()
    conf = {}
    for part, text in (("cert", own.bundle_pem), ("key", key_pem(own))):
        match where:
            case "inline":
                conf[part] = {"inline": base64.b64encode(text.encode()).decode()}
            case "inlineString":
                conf[part] = {"inlineString": text}
            case "file":
                (tmp_path / part).write_text(text)
                conf[part] = {"file": str(tmp_path / part)}
            case "secret":
                await vault.put(f"shop/secret/{part}", text.encode())
                conf[part] = {"secret": part}
    wanted = mtls("provided", conf)
    assert (await source.authority("shop", wanted)).fingerprint == own.fingerprint
    backend = wanted.enabled()
    assert backend is not None and is_external(backend) == (where in ("file", "secret"))


async def test_a_missing_secret_or_file_is_named(source: AuthoritySource, tmp_path: Path) -> None:
    cert = {"inlineString": users_own().bundle_pem}
    reason = await unusable(source, mtls("provided", {"cert": cert, "key": {"secret": "no-such"}}))
    assert "conf.key" in reason and "mesh shop has no secret 'no-such'" in reason
    reason = await unusable(source, mtls("provided", {"cert": cert, "key": {"file": f"{tmp_path}/no-such"}}))
    assert f"open {tmp_path}/no-such: No such file or directory" in reason
    reason = await unusable(source, mtls("provided", {"cert": cert, "key": {"file": str(tmp_path)}}))
    assert "not a regular file" in reason


async def test_a_secret_of_another_mesh_is_out_of_reach(source: AuthoritySource, vault: SecretVault) -> None:
    own = users_own()
    await vault.put("other/secret/key", key_pem(own).encode())
    conf = {"cert": {"inlineString": own.bundle_pem}, "key": {"secret": "key"}}
    assert "has no secret" in await unusable(source, mtls("provided", conf))


async def test_a_key_of_another_certificate(source: AuthoritySource) -> None:
    conf = {
        "cert": {"inlineString": users_own().bundle_pem},
        "key": {"inlineString": key_pem(users_own())},
    }
    assert "not a valid" in await unusable(source, mtls("provided", conf))


async def test_an_authority_that_has_expired(source: AuthoritySource, clock: Clock) -> None:
    own = users_own(valid_for=YEAR)
    conf = {"cert": {"inlineString": own.bundle_pem}, "key": {"inlineString": key_pem(own)}}
    clock.now = NOW + 2 * YEAR
    assert "which is not now" in await unusable(source, mtls("provided", conf))


async def test_a_backend_that_is_not_there(source: AuthoritySource) -> None:
    wanted = mtls().model_copy(update={"enabled_backend": "other"})
    assert "'other' is none of the backends" in await unusable(source, wanted)
