"""Directories that nobody else may change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from meshmeter.folders import UnsafeFolder, check_folder, opened
from support.require import root

STRANGER = 65534


def refused(path: Path) -> str:
    with pytest.raises(UnsafeFolder) as caught:
        check_folder(path)
    return str(caught.value)


def test_it_is_made_for_us_only_with_its_parents(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    check_folder(path)
    assert [p.stat().st_mode & 0o777 for p in (path, path.parent)] == [0o700, 0o700]
    check_folder(path)


def test_the_handle_is_of_the_directory_and_links_of_ours_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real" / "below").mkdir(parents=True)
    (tmp_path / "relative").symlink_to("real/../real")
    (tmp_path / "absolute").symlink_to(tmp_path / "relative")
    before = set(os.listdir("/proc/self/fd"))
    with opened(tmp_path / "absolute" / "below") as handle:
        assert os.path.samestat(os.fstat(handle), (tmp_path / "real" / "below").stat())
    assert set(os.listdir("/proc/self/fd")) == before, "every handle is closed"


def test_circles_and_files_on_the_way_are_errors(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "file").touch()
    for path in (tmp_path / "circle", tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError):
            check_folder(path)


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770])
def test_one_that_others_may_write_to_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "data"
    path.mkdir()
    path.chmod(mode)
    assert f"chmod 700 {path}" in refused(path)


def test_one_that_others_may_read_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.mkdir(mode=0o755)
    check_folder(path)


def test_nothing_is_made_where_others_could_replace_it(tmp_path: Path) -> None:
    anybody = tmp_path / "anybody"
    anybody.mkdir()
    anybody.chmod(0o777)
    assert "other users may change what is in" in refused(anybody / "data")
    assert not (anybody / "data").exists()
    anybody.chmod(0o1777)
    check_folder(anybody / "data")


@pytest.mark.attack("B8: a directory of ours is led elsewhere by a symbolic link of another user in /tmp")
def test_a_link_of_another_user_is_not_followed(tmp_path: Path) -> None:
    root()
    shared, ours = tmp_path / "tmp", tmp_path / "ours"
    shared.mkdir()
    shared.chmod(0o1777)
    ours.mkdir()
    trap = shared / "meshmeter-0"
    trap.symlink_to(ours)
    os.chown(trap, STRANGER, STRANGER, follow_symlinks=False)
    assert f"symbolic link of user {STRANGER}" in refused(trap / "mesh" / "name")
    assert not list(ours.iterdir()), "nothing was made where it leads"


def test_a_directory_that_another_user_made_is_refused(tmp_path: Path) -> None:
    root()
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, STRANGER, STRANGER)
    assert f"belongs to user {STRANGER}" in refused(theirs)
    assert "may change what is in it" in refused(theirs / "below")
