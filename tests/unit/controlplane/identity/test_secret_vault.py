"""Secrets at rest: sealed, bound to their names, and of no use without the key file."""

from __future__ import annotations

import base64
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meshmeter.controlplane.identity.secret_vault import KEY_FILE, SecretVault
from meshmeter.errors import StartupError, StoreUnavailable
from meshmeter.store.sqlite import SqliteStore

SECRET = b"-----BEGIN PRIVATE KEY----- very secret"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = await SqliteStore.open(tmp_path / "m.db")
    yield opened
    await opened.close()


async def test_there_and_back_and_over_a_restart(store: SqliteStore, tmp_path: Path) -> None:
    vault = await SecretVault.open(store, tmp_path)
    await vault.put("shop/trust", SECRET)
    again = await SecretVault.open(store, tmp_path)
    assert await again.get("shop/trust") == SECRET
    assert await again.get("shop/other") is None
    assert await again.names("shop/") == ["shop/trust"]
    assert await again.delete("shop/trust") is True
    assert await again.delete("shop/trust") is False


async def test_the_database_holds_nothing_readable(store: SqliteStore, tmp_path: Path) -> None:
    await (await SecretVault.open(store, tmp_path)).put("shop/trust", SECRET)
    await store.close()
    assert not readable(tmp_path, b"very secret")


def readable(folder: Path, text: bytes) -> list[Path]:
    return [file for file in folder.iterdir() if text in file.read_bytes()]


async def test_equal_secrets_are_sealed_differently(store: SqliteStore, tmp_path: Path) -> None:
    vault = await SecretVault.open(store, tmp_path)
    await vault.put("a/x", SECRET)
    await vault.put("a/y", SECRET)
    assert await store.get_secret("a/x") != await store.get_secret("a/y")


async def test_the_key_file_is_for_its_owner(store: SqliteStore, tmp_path: Path) -> None:
    await SecretVault.open(store, tmp_path)
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    (tmp_path / KEY_FILE).chmod(0o644)
    await SecretVault.open(store, tmp_path)
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


async def test_a_secret_in_another_ones_place_is_refused(store: SqliteStore, tmp_path: Path) -> None:
    vault = await SecretVault.open(store, tmp_path)
    await vault.put("mine/secret/key", SECRET)
    sealed = await store.get_secret("mine/secret/key")
    assert sealed is not None
    await store.put_secret("yours/secret/key", sealed)
    with pytest.raises(StoreUnavailable, match="yours/secret/key cannot be opened"):
        await vault.get("yours/secret/key")


@pytest.mark.parametrize("damaged", [b"", b"\x01", b"\x01" + bytes(40), b"plain text"])
async def test_a_damaged_secret_is_refused(store: SqliteStore, tmp_path: Path, damaged: bytes) -> None:
    vault = await SecretVault.open(store, tmp_path)
    await store.put_secret("a/x", damaged)
    with pytest.raises(StoreUnavailable, match="restore both from one backup"):
        await vault.get("a/x")


async def test_another_key_opens_nothing(store: SqliteStore, tmp_path: Path) -> None:
    await (await SecretVault.open(store, tmp_path)).put("a/x", SECRET)
    (tmp_path / KEY_FILE).write_bytes(base64.b64encode(bytes(32)))
    with pytest.raises(StoreUnavailable) as caught:
        await (await SecretVault.open(store, tmp_path)).get("a/x")
    assert SECRET.decode() not in str(caught.value)


async def test_a_lost_key_file_stops_the_start_while_something_needs_it(
    store: SqliteStore, tmp_path: Path
) -> None:
    vault = await SecretVault.open(store, tmp_path)
    await vault.put("a/x", SECRET)
    (tmp_path / KEY_FILE).unlink()
    with pytest.raises(StartupError, match="restore it from a backup"):
        await SecretVault.open(store, tmp_path)
    await store.delete_secret("a/x")
    await SecretVault.open(store, tmp_path)


async def test_a_store_of_an_earlier_version_gets_a_key(store: SqliteStore, tmp_path: Path) -> None:
    await store.put_secret("cluster-id", b"abc")  # kept as it is: it is no secret
    await SecretVault.open(store, tmp_path)


@pytest.mark.parametrize("content", [b"", b"short", base64.b64encode(bytes(31)), b"\xff" * 44])
async def test_a_damaged_key_file_stops_the_start(store: SqliteStore, tmp_path: Path, content: bytes) -> None:
    (tmp_path / KEY_FILE).write_bytes(content)
    with pytest.raises(StartupError, match="does not hold a key"):
        await SecretVault.open(store, tmp_path)
