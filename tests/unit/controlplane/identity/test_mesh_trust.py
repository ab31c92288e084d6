"""The authority of a mesh through its life: made, changed, lost, found again. The clock is the test's."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

from meshmeter.certs.mesh_ca import MeshAuthority, make_authority
from meshmeter.controlplane.identity.ca_sources import AuthoritySource
from meshmeter.controlplane.identity.mesh_trust import OVERLAP, RELOAD, MeshTrust
from meshmeter.controlplane.identity.secret_vault import SecretVault
from meshmeter.effective.certificate_lifetime import DEFAULT_LIFETIME
from meshmeter.effective.credentials import Credentials, Identity
from meshmeter.errors import MeshAuthorityUnusable
from meshmeter.resources.mesh import MeshSpec, Mtls
from meshmeter.resources.resource import Resource
from meshmeter.store.sqlite import SqliteStore
from support.certificates import of_version_4
from support.resources import dataplane, mesh

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Stage:
    """A MeshTrust whose time the test moves, and that takes note of what it has compiled again."""

    def __init__(self, vault: SecretVault):
        self.vault, self.now, self.steady = vault, NOW, NOW
        self.recompiled: list[object] = []
        self._go, self._paused = asyncio.Event(), asyncio.Event()
        self.start()

    def start(self) -> None:
        """As after a restart of the control plane."""
        self.trust = self.make()

    def make(self, source: AuthoritySource | None = None) -> MeshTrust:
        return MeshTrust(
            self.vault,
            now=lambda: self.now,
            steady=lambda: self.steady,
            sleep=self._sleep,
            source=source,
        )

    async def _sleep(self, _seconds: float) -> None:
        self._paused.set()
        await self._go.wait()
        self._go.clear()

    async def pass_time(self, time: timedelta) -> None:
        """Let the time pass, and the task have one look."""
        task = asyncio.create_task(self.trust.run(self))
        self._paused.clear()
        await self._paused.wait()
        self.now += time
        self.steady += time
        self._paused.clear()
        self._go.set()
        await self._paused.wait()
        task.cancel()

    def recompile(self, proxies: set[tuple[str, str]]) -> None:
        self.recompiled.append(proxies)

    def recompile_mesh(self, mesh: str) -> None:
        self.recompiled.append(mesh)

    async def credentials(self, of: Resource[MeshSpec], name: str = "backend-1") -> Credentials:
        await self.trust.prepare(of)
        return self.trust.credentials(of, dataplane(name))

    async def identity(self, of: Resource[MeshSpec]) -> Identity:
        found = (await self.credentials(of)).identity
        assert found is not None
        return found


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    store = await SqliteStore.open(tmp_path / "m.db")
    yield Stage(await SecretVault.open(store, tmp_path))
    await store.close()


def builtin(**backend: Any) -> Resource[MeshSpec]:
    made = {"name": "ca-1", "type": "builtin", **backend}
    return mesh("default", mtls={"enabledBackend": "ca-1", "backends": [made]})


def own() -> MeshAuthority:
    key = ec.generate_private_key(ec.SECP256R1())
    return make_authority("default", key, serial=1, now=NOW, valid_for=timedelta(days=3000))


def provided(cert: Path, key: Path) -> Resource[MeshSpec]:
    conf = {"cert": {"file": str(cert)}, "key": {"file": str(key)}}
    return builtin(type="provided", conf=conf)


def write(authority: MeshAuthority, cert: Path, key: Path) -> None:
    cert.write_text(authority.bundle_pem)
    key.write_bytes(authority.to_pem())


def signed_by(identity: Identity, authority: MeshAuthority) -> bool:
    leaf = x509.load_pem_x509_certificate(identity.certificate_pem.encode())
    try:
        leaf.verify_directly_issued_by(authority.certificate)
    except (ValueError, InvalidSignature):
        return False
    return True


async def test_a_mesh_without_mtls_has_no_identities(stage: Stage) -> None:
    assert await stage.credentials(mesh("default")) == Credentials()
    assert await stage.trust.bundle("default") is None
    assert (
        await stage.trust.issue("default", "x", ec.generate_private_key(ec.SECP256R1()).public_key()) is None
    )


async def test_the_authority_outlives_a_restart(stage: Stage) -> None:
    first = await stage.identity(builtin())
    stage.start()
    again = await stage.identity(builtin())
    assert again.bundle_pem == first.bundle_pem and again.key_pem != first.key_pem


async def test_mtls_off_forgets_and_on_again_has_the_same_authority(stage: Stage) -> None:
    first = await stage.identity(builtin())
    assert (await stage.credentials(mesh("default"))).identity is None
    assert (await stage.identity(builtin())).bundle_pem == first.bundle_pem


async def test_identities_are_renewed_in_time(stage: Stage) -> None:
    first = await stage.identity(builtin())
    await stage.pass_time(DEFAULT_LIFETIME / 2)
    assert stage.recompiled == [{("default", "backend-1")}]
    second = await stage.identity(builtin())
    assert second.not_after == first.not_after + DEFAULT_LIFETIME / 2


async def test_another_authority_is_trusted_first_and_shown_later(stage: Stage, tmp_path: Path) -> None:
    files = tmp_path / "cert", tmp_path / "key"
    old, new = own(), own()
    write(old, *files)
    first = await stage.identity(provided(*files))
    assert signed_by(first, old)

    write(new, *files)
    await stage.pass_time(RELOAD)
    assert stage.recompiled == ["default"]
    both = await stage.identity(provided(*files))
    assert both.certificate_pem == first.certificate_pem
    assert old.bundle_pem in both.bundle_pem and new.bundle_pem in both.bundle_pem
    assert await stage.trust.bundle("default") == both.bundle_pem

    await stage.pass_time(OVERLAP)
    shown = await stage.identity(provided(*files))
    assert signed_by(shown, new) and old.bundle_pem in shown.bundle_pem

    await stage.pass_time(DEFAULT_LIFETIME)
    assert (await stage.identity(provided(*files))).bundle_pem == new.bundle_pem


async def test_a_change_goes_on_after_a_restart(stage: Stage, tmp_path: Path) -> None:
    files = tmp_path / "cert", tmp_path / "key"
    old, new = own(), own()
    write(old, *files)
    await stage.identity(provided(*files))
    write(new, *files)
    stage.start()  # the key of the old one is not known any more
    found = await stage.identity(provided(*files))
    assert old.bundle_pem in found.bundle_pem and new.bundle_pem in found.bundle_pem


async def test_what_is_in_force_stays_in_force(stage: Stage, tmp_path: Path) -> None:
    files = tmp_path / "cert", tmp_path / "key"
    write(own(), *files)
    first = await stage.identity(provided(*files))
    files[1].unlink()
    await stage.pass_time(RELOAD)
    found = await stage.credentials(provided(*files))
    assert found.identity == first and str(files[1]) in found.authority_warning
    assert stage.trust.without_identity("default") == Credentials(authority_warning=found.authority_warning)


async def test_what_never_could_be_read_signs_nothing_until_it_can(stage: Stage, tmp_path: Path) -> None:
    files = tmp_path / "cert", tmp_path / "key"
    found = await stage.credentials(provided(*files))
    assert found.identity is None and str(files[0]) in found.authority_fault
    assert stage.trust.without_identity("default") == found
    with pytest.raises(MeshAuthorityUnusable, match="No such file"):
        await stage.trust.bundle("default")
    with pytest.raises(MeshAuthorityUnusable, match="No such file"):
        await stage.trust.issue("default", "x", ec.generate_private_key(ec.SECP256R1()).public_key())
    write(own(), *files)
    await stage.pass_time(RELOAD)
    assert stage.recompiled == ["default"]
    assert (await stage.credentials(provided(*files))).authority_fault == ""


async def test_a_program_gets_a_certificate_for_its_own_key(stage: Stage) -> None:
    await stage.trust.prepare(builtin(dpCert={"rotation": {"expiration": "2h"}}))
    key = ec.generate_private_key(ec.SECP256R1())
    issued = await stage.trust.issue("default", "prometheus-server", key.public_key())
    assert issued is not None and issued.not_after == NOW + timedelta(hours=2)
    leaf = x509.load_pem_x509_certificate(issued.certificate_pem.encode())
    assert leaf.public_key() == key.public_key()
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "spiffe://default/prometheus-server" in names.get_values_for_type(x509.UniformResourceIdentifier)


async def test_when_authorities_expire(stage: Stage) -> None:
    await stage.trust.prepare(builtin())
    assert stage.trust.authority_expiries() == {"default": NOW + timedelta(days=3650)}
    stage.trust.forget_mesh("default")
    assert stage.trust.authority_expiries() == {}


# What is wrong with one mesh is its own


async def test_a_certificate_that_cannot_be_is_a_fault_of_its_mesh(stage: Stage, tmp_path: Path) -> None:
    files = tmp_path / "cert", tmp_path / "key"
    authority = own()
    write(authority, *files)
    files[0].write_text(of_version_4(authority.bundle_pem))
    found = await stage.credentials(provided(*files))
    assert found.identity is None and "version that does not exist" in found.authority_fault
    await stage.pass_time(RELOAD)
    write(authority, *files)
    await stage.pass_time(RELOAD)
    assert (await stage.credentials(provided(*files))).identity is not None


class OddSource(AuthoritySource):
    async def authority(self, mesh: str, mtls: Mtls) -> MeshAuthority:
        if mesh == "odd":
            raise LookupError("nobody thought of this")
        return await super().authority(mesh, mtls)


async def test_any_fault_is_that_of_its_mesh(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    source = OddSource(stage.vault, now=lambda: stage.now)
    stage.trust = stage.make(source)
    odd = mesh("odd", mtls={"enabledBackend": "c", "backends": [{"name": "c", "type": "builtin"}]})
    await stage.trust.prepare(odd)
    await stage.pass_time(RELOAD)
    await stage.pass_time(RELOAD)
    assert "nobody thought of this" in stage.trust.without_identity("odd").authority_fault
    assert caplog.text.count("Traceback") == 1
    assert (await stage.credentials(builtin())).identity is not None


async def test_a_dead_drive_holds_up_its_own_mesh_only(stage: Stage, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    source = AuthoritySource(stage.vault, now=lambda: stage.now, files=lambda path: Path(path).read_bytes())
    stage.trust = stage.make(source)
    dead = mesh("dead", mtls=provided(pipe, pipe).spec.model_dump()["mtls"])
    async with asyncio.timeout(60):
        waiting = asyncio.create_task(stage.trust.prepare(dead))
        await asyncio.sleep(0)
        assert (await stage.credentials(builtin())).identity is not None
        assert not waiting.done()
    waiting.cancel()


# Clocks


@pytest.mark.parametrize("jump", [timedelta(minutes=3), timedelta(days=40), timedelta(days=3000)])
async def test_a_clock_that_was_ahead_leaves_nothing_that_is_not_valid_yet(
    stage: Stage, jump: timedelta
) -> None:
    stage.now += jump
    await stage.identity(builtin())
    stage.now -= jump
    for _ in range(3):
        await stage.pass_time(OVERLAP)
        found = await stage.credentials(builtin())
    assert found.identity is not None
    certificate = x509.load_pem_x509_certificate(found.identity.certificate_pem.encode())
    authorities = x509.load_pem_x509_certificates(found.identity.bundle_pem.encode())
    for each in certificate, authorities[0]:
        assert each.not_valid_before_utc <= stage.now < each.not_valid_after_utc
    certificate.verify_directly_issued_by(authorities[0])


async def test_a_change_of_authority_is_measured_by_the_time_that_passes(
    stage: Stage, tmp_path: Path
) -> None:
    files = tmp_path / "cert", tmp_path / "key"
    old, new = own(), own()
    write(old, *files)
    await stage.identity(provided(*files))
    write(new, *files)
    await stage.pass_time(RELOAD)
    stage.now += timedelta(days=40)
    await stage.pass_time(SECOND)
    during = await stage.identity(provided(*files))
    assert signed_by(during, old) and new.bundle_pem in during.bundle_pem
    stage.now -= timedelta(days=40)
    await stage.pass_time(OVERLAP)
    after = await stage.identity(provided(*files))
    assert signed_by(after, new) and old.bundle_pem in after.bundle_pem


class Slow(AuthoritySource):
    """An authority that takes its time, until the test lets it go on."""

    def __init__(self, vault: SecretVault):
        super().__init__(vault, now=lambda: NOW)
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def authority(self, mesh: str, mtls: Mtls) -> MeshAuthority:
        self.asked.set()
        await self.go_on.wait()
        return await super().authority(mesh, mtls)


async def test_who_asks_while_the_authority_is_being_made_waits_for_it(stage: Stage) -> None:
    source = Slow(stage.vault)
    trust = stage.make(source)
    preparing = asyncio.create_task(trust.prepare(builtin()))
    await source.asked.wait()
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    issuing, reading = (
        asyncio.create_task(trust.issue("default", "prometheus-server", key)),
        asyncio.create_task(trust.bundle("default")),
    )
    await asyncio.wait({issuing, reading}, timeout=0)
    assert not issuing.done() and not reading.done()
    source.go_on.set()
    await preparing
    issued = await issuing
    assert issued is not None and issued.bundle_pem == await reading
