from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from meshmeter.cli.client import ApiClient
from meshmeter.cli.connection import Connection
from meshmeter.cli.identity_files import HeldIdentity, read_identity
from meshmeter.cli.identity_keeper import Wanted, keep, obtain, trust_of
from meshmeter.errors import ApiError, SettingsError
from support.api_server import ServedApi, serve_in_thread


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ServedApi]:
    (tmp_path / "control-plane").mkdir()
    with serve_in_thread(tmp_path / "control-plane") as served:
        yield served


@pytest.fixture
def wanted(tmp_path: Path) -> Wanted:
    return Wanted("default", "prometheus", tmp_path / "out")


def client(api: ServedApi, token: str | None = None) -> ApiClient:
    return ApiClient(Connection(api.url, token or api.admin_token))


class Kept:
    """`keep`, with what it announced."""

    def __init__(self, wanted: Wanted, connect: Callable[[], ApiClient]):
        self.wanted = wanted
        self.connect = connect
        self.announced: list[HeldIdentity] = []
        self.stop = asyncio.Event()

    async def run(self, announcements: int) -> None:
        """Until so many identities were announced."""

        def announce(held: HeldIdentity) -> None:
            self.announced.append(held)
            if len(self.announced) >= announcements:
                self.stop.set()

        async with asyncio.timeout(60):
            await keep(self.connect, self.wanted, self.stop, announce=announce, poll=0.01)


def test_key_and_certificate_belong_together_and_the_trust_is_that_of_the_mesh(
    api: ServedApi, wanted: Wanted
) -> None:
    held = obtain(client(api), wanted)
    certificate = x509.load_pem_x509_certificate((wanted.folder / "tls.crt").read_bytes())
    key = load_pem_private_key((wanted.folder / "tls.key").read_bytes(), None)
    assert key.public_key() == certificate.public_key()
    assert held.uris == (wanted.uri,) == ("spiffe://default/prometheus",)
    assert (wanted.folder / "ca.crt").read_text() == held.trust_bundle == trust_of(client(api), "default")


def test_a_refusal_writes_nothing(api: ServedApi, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with pytest.raises(ApiError, match="has no mTLS"):
        obtain(client(api), Wanted("other", "prometheus", folder))
    with pytest.raises(ApiError) as refused:
        obtain(client(api, "garbage"), Wanted("default", "prometheus", folder))
    assert refused.value.status == 401 and not folder.exists()


def test_a_folder_that_cannot_be_written_is_named(api: ServedApi, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=f"--out: cannot write to {tmp_path}/file"):
        obtain(client(api), Wanted("default", "prometheus", tmp_path / "file" / "out"))


async def test_it_is_renewed_at_half_of_its_life(api: ServedApi, wanted: Wanted) -> None:
    api.authority.valid_for = timedelta(seconds=2)
    kept = Kept(wanted, lambda: client(api))
    await kept.run(3)
    first, second, third = kept.announced
    assert first.not_after > second.not_before and second.not_after > third.not_before, "always a valid one"
    assert read_identity(wanted.folder) == third


async def test_another_authority_of_the_mesh_renews_it_at_once(api: ServedApi, wanted: Wanted) -> None:
    kept = Kept(wanted, lambda: client(api))
    task = asyncio.create_task(kept.run(2))
    async with asyncio.timeout(60):
        while not kept.announced:
            await asyncio.sleep(0.01)
    api.authority.rotate()
    await task
    first, second = kept.announced
    assert first.trust_bundle in second.trust_bundle and first != second


async def test_what_is_there_and_good_is_kept(api: ServedApi, wanted: Wanted) -> None:
    held = await asyncio.to_thread(obtain, client(api), wanted)
    kept = Kept(wanted, lambda: client(api))
    task = asyncio.create_task(kept.run(1))
    await asyncio.sleep(0.1)
    kept.stop.set()
    await task
    assert kept.announced == [] and read_identity(wanted.folder) == held
    kept = Kept(Wanted("default", "another", wanted.folder), lambda: client(api))
    await kept.run(1)
    assert kept.announced[0].uris == ("spiffe://default/another",)


async def test_a_control_plane_that_is_away_is_waited_for_and_told_once(
    api: ServedApi, wanted: Wanted, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = iter(range(10))

    def connect() -> ApiClient:
        return client(api) if next(attempts) > 3 else ApiClient(Connection("http://127.0.0.1:1", "t"))

    with caplog.at_level(logging.WARNING):
        await Kept(wanted, connect).run(1)
    assert len([r for r in caplog.records if "trying again" in r.message]) == 1


async def test_a_refusal_ends_it_only_while_there_is_no_good_identity(
    api: ServedApi, wanted: Wanted, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ApiError, match="token"):
        await Kept(wanted, lambda: client(api, "garbage")).run(1)
    held = await asyncio.to_thread(obtain, client(api), wanted)
    kept = Kept(wanted, lambda: client(api, "garbage"))
    task = asyncio.create_task(kept.run(1))
    async with asyncio.timeout(60):
        while not caplog.records:
            await asyncio.sleep(0.01)
    assert not task.done()
    kept.stop.set()
    await task
    assert read_identity(wanted.folder) == held
