from __future__ import annotations

import stat
from pathlib import Path

import pytest

from meshmeter.controlplane.whole_files import close_to_others, sync_folder, write_whole


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
    with pytest.raises(OSError):
        write_whole(file, b"new", 0o600)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("others", [0o644, 0o660, 0o604])
def test_what_others_may_do_is_taken_away(tmp_path: Path, others: int) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    file.chmod(others)
    close_to_others(file)
    assert mode(file) == 0o600


def test_a_file_that_is_closed_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    file.chmod(0o400)
    close_to_others(file)
    assert mode(file) == 0o400


def test_a_folder_can_be_synced_and_a_missing_one_cannot(tmp_path: Path) -> None:
    sync_folder(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "nowhere")
