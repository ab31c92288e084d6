import subprocess
import sys
from pathlib import Path

import pytest

from meshmeter.errors import StartupError, StoreUnavailable
from meshmeter.store.lock import FileLock


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    lock = FileLock.take(tmp_path / "lock")
    with pytest.raises(StartupError, match="another control plane is using"):
        FileLock.take(tmp_path / "lock")
    lock.release()
    lock.release()
    FileLock.take(tmp_path / "lock").release()


def test_another_process_is_kept_out_and_children_do_not_keep_it(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from meshmeter.store.lock import FileLock; "
        "FileLock.take(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "lock")]
    lock = FileLock.take(tmp_path / "lock")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "StartupError" in refused.stderr
        lock.release()
        assert subprocess.run(command, check=False).returncode == 0
        child.communicate(b"\n")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match=r"cannot make the directory .*file: Not a directory"):
        FileLock.take(tmp_path / "file" / "lock")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreUnavailable, match="folder: Is a directory"):
        FileLock.take(tmp_path / "folder")


def test_the_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    lock = FileLock.of(tmp_path / "new" / "database")
    assert (tmp_path / "new" / "database.lock").exists()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    lock.release()


def test_a_directory_that_others_may_change_is_refused_with_the_way_out(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(StartupError, match=rf"chmod 700 {folder}.*--data-dir"):
        FileLock.of(folder / "database")
    assert not list(folder.iterdir())


def test_who_deletes_the_file_lets_nobody_in(tmp_path: Path) -> None:
    lock = FileLock.of(tmp_path / "database")
    (tmp_path / "database.lock").unlink()
    with pytest.raises(StartupError, match=f"another control plane is using {tmp_path}"):
        FileLock.of(tmp_path / "database")
    lock.release()
    FileLock.of(tmp_path / "database").release()
