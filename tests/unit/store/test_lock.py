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
    with pytest.raises(StoreUnavailable, match="none/lock: No such file or directory"):
        FileLock.take(tmp_path / "none" / "lock")
