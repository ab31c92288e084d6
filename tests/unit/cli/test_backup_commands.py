"""`backup` and `restore` on the command line."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meshmeter.cli.main import run
from meshmeter.controlplane.data_dir import open_data_dir
from meshmeter.store.base import Put
from meshmeter.store.sqlite import SqliteStore
from support.resources import mesh


@pytest.fixture
def data(tmp_path: Path) -> Path:
    async def fill() -> None:
        store = await SqliteStore.open(tmp_path / "data" / "meshmeter.db")
        await store.commit([Put(mesh())])
        await store.close()

    asyncio.run(fill())
    open_data_dir(tmp_path / "data", (), now=datetime.now(UTC))
    return tmp_path / "data"


def test_what_is_in_a_copy_and_what_is_not(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESHMETER_DATA_DIR", str(data))
    assert run(["backup", str(tmp_path / "copy")]) == 0
    shown = capsys.readouterr().out
    assert "at revision 1: 1 resources, 0 secrets" in shown and "It has no keys" in shown
    assert run(["backup", str(tmp_path / "again"), "--keys-dir", str(tmp_path / "keys")]) == 0
    assert "has the keys: ca.crt, ca.key, signing.key" in capsys.readouterr().out
    assert run(["backup", str(tmp_path / "copy")]) == 1
    assert "is not empty: name a new directory" in capsys.readouterr().err


def test_a_copy_is_put_back_only_where_nothing_is(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, keys, new = (str(tmp_path / name) for name in ("copy", "keys", "new"))
    assert run(["backup", copy, "--keys-dir", keys, "--data-dir", str(data)]) == 0
    assert run(["restore", copy, "--data-dir", str(data)]) == 1
    assert "nothing is restored over a database" in capsys.readouterr().err
    assert run(["restore", copy, "--keys-dir", keys, "--data-dir", new]) == 0
    shown = capsys.readouterr().out
    assert "new has the database at revision 1: 1 resources" in shown and "rotate-key --no-overlap" in shown
