"""A database whose file is taken away while it is in use."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from meshmeter.store.opened_file import BESIDE, OpenedFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    for ending in BESIDE:
        (tmp_path / f"m.db{ending}").touch()
    return tmp_path / "m.db"


@pytest.mark.parametrize("ending", BESIDE)
def test_what_is_gone_or_another_is_told_until_it_is_back(path: Path, ending: str) -> None:
    opened, file = OpenedFile(path), path.with_name(path.name + ending)
    assert opened.fault() is None
    moved = file.rename(path.with_name("moved"))
    assert f"{file} was deleted or moved" in str(opened.fault())
    shutil.copy(moved, file)
    assert f"{file} was replaced by another file" in str(opened.fault())
    moved.replace(file)
    assert opened.fault() is None


def test_a_file_beside_it_may_appear_later(path: Path) -> None:
    wal = path.with_name("m.db-wal")
    wal.unlink()
    opened = OpenedFile(path)
    assert opened.fault() is None
    wal.touch()
    assert opened.fault() is None
    wal.unlink()
    assert "m.db-wal was deleted" in str(opened.fault())
