from __future__ import annotations

import stat
from pathlib import Path

import pytest

from meshmeter.whole_files import sync_folder, write_whole


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_whole(file, b"old", 0o644)
    with file.open("rb") as reader:
        write_whole(file, b"new", 0o600)
        assert reader.read() == b"old"
    assert (file.read_bytes(), mode(file)) == (b"new", 0o600)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "file"
    (file / "inside").mkdir(parents=True)
    with pytest.raises(OSError) as refused:
        write_whole(file, b"new", 0o600)
    assert refused.value.filename == str(file)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_folder_can_be_synced_and_a_missing_one_cannot(tmp_path: Path) -> None:
    sync_folder(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "nowhere")
