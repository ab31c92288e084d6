"""Copies of a data directory, made while it is written to, and put back."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meshmeter.controlplane.backups import BackupError, back_up, restore
from meshmeter.controlplane.data_dir import open_data_dir
from meshmeter.controlplane.identity.secret_vault import SecretVault
from meshmeter.store.base import Put
from meshmeter.store.sqlite import SqliteStore
from support.resources import mesh

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def opened(folder: Path) -> SqliteStore:
    store = await SqliteStore.open(folder / "meshmeter.db")
    open_data_dir(folder, (), now=datetime.now(UTC))
    return store


def modes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}


async def test_a_copy_made_while_others_write_is_one_moment_and_can_be_put_back(tmp_path: Path) -> None:
    data, copy, keys, new = (tmp_path / name for name in ("data", "copy", "keys", "new"))
    store = await opened(data)
    vault = await SecretVault.open(store, data)
    await vault.put("default/secret/key", b"hidden")
    going, written = True, 0

    async def write() -> None:
        nonlocal written
        while going:
            await store.commit([Put(mesh(f"{half}{written}")) for half in "ab"])
            written += 1

    writing = asyncio.create_task(write())
    async with asyncio.timeout(60):
        while written < 20:
            await asyncio.sleep(0)
        at_least = written
        made = await asyncio.to_thread(back_up, data, copy, keys=keys, now=NOW)
        after = written
        while written < after + 5:  # it goes on
            await asyncio.sleep(0)
        going = False
        await writing
    await store.close()
    assert modes(copy) == {"meshmeter.db": 0o600, "backup.json": 0o600}
    assert copy.stat().st_mode & 0o777 == keys.stat().st_mode & 0o777 == 0o700
    assert modes(keys) == {"ca.crt": 0o644, "ca.key": 0o600, "secrets.key": 0o600, "signing.key": 0o600}
    assert made.resources == made.revision >= 2 * at_least and made.secrets == 1

    assert restore(copy, new, keys=keys).resources == made.resources
    again = await opened(new)
    names = [resource.name for resource in (await again.contents()).resources]
    assert sorted(name[1:] for name in names if name[0] == "a") == sorted(
        name[1:] for name in names if name[0] == "b"
    )
    assert again.revision == made.revision
    assert await (await SecretVault.open(again, new)).get("default/secret/key") == b"hidden"
    await again.close()
    assert (new / "ca.key").read_bytes() == (data / "ca.key").read_bytes()


async def test_without_being_asked_no_key_is_copied(tmp_path: Path) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    await (await opened(data)).close()
    back_up(data, copy, now=NOW)
    assert set(modes(copy)) == {"meshmeter.db", "backup.json"}
    assert json.loads((copy / "backup.json").read_text())["keys"] is False
    for folder, keys, word in ((copy, None, "is not empty"), (tmp_path / "x", tmp_path / "x", "apart from")):
        with pytest.raises(BackupError, match=word):
            back_up(data, folder, keys=keys, now=NOW)
    with pytest.raises(BackupError, match="does not exist"):
        back_up(tmp_path / "none", tmp_path / "y", now=NOW)
    assert not (tmp_path / "y").exists()


async def test_nothing_is_put_over_a_database_or_under_a_running_control_plane(tmp_path: Path) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    store = await opened(data)
    await store.commit([Put(mesh())])
    back_up(data, copy, now=NOW)
    with pytest.raises(BackupError, match="another control plane is using"):
        restore(copy, data)
    await store.close()
    before = (data / "meshmeter.db").read_bytes()
    with pytest.raises(BackupError, match="nothing is restored over a database"):
        restore(copy, data)
    assert (data / "meshmeter.db").read_bytes() == before
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").touch()
    with pytest.raises(BackupError, match=r"is not empty, it has mine\.txt"):
        restore(copy, other)
    (data / "meshmeter.db").unlink()
    assert restore(copy, data).resources == 1  # the keys are where they were


async def test_a_copy_that_is_not_whole_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    data, copy, new = tmp_path / "data", tmp_path / "copy", tmp_path / "new"
    store = await opened(data)
    await store.commit([Put(mesh(f"m{number}")) for number in range(200)])
    await (await SecretVault.open(store, data)).put("m1/secret/key", b"hidden")
    await store.close()
    back_up(data, copy, now=NOW)
    with pytest.raises(BackupError, match=r"1 secrets that only its secrets\.key opens"):
        restore(copy, new)
    whole = (copy / "meshmeter.db").read_bytes()
    spoiled = whole[: 5 * 4096] + b"\xa5" * 8192 + whole[5 * 4096 + 8192 :]
    (copy / "meshmeter.db").write_bytes(spoiled)
    with pytest.raises(BackupError, match="it changed since"):
        restore(copy, new, keys=data)
    (copy / "backup.json").unlink()
    with pytest.raises(BackupError, match=r"is damaged|cannot be read"):
        restore(copy, new, keys=data)
    (copy / "meshmeter.db").write_bytes(whole)
    with sqlite3.connect(copy / "meshmeter.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(BackupError, match="schema version 99"):
        restore(copy, new, keys=data)
    assert not new.exists()


async def test_an_end_in_the_middle_leaves_a_directory_as_it_was(tmp_path: Path) -> None:
    data, copy, new = tmp_path / "data", tmp_path / "copy", tmp_path / "new"
    await (await opened(data)).close()
    back_up(data, copy, now=NOW)

    def end() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(copy, new, keys=data, before_use=end)
    assert not new.exists()
    restore(copy, new, keys=data)
