from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from meshmeter.agent import parent_death_signal

HELPER = (sys.executable, "-I", "-S", parent_death_signal.__file__)


def test_becomes_the_command_with_the_same_process_id() -> None:
    command = subprocess.Popen(
        [*HELPER, str(os.getpid()), "/bin/sh", "-c", "echo $$; exit 7"], stdout=subprocess.PIPE, text=True
    )
    output, _ = command.communicate(timeout=60)
    assert int(output) == command.pid
    assert command.returncode == 7


def test_a_parent_that_is_gone_already_means_no_start(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    done = subprocess.run([*HELPER, "1", "/usr/bin/touch", str(trace)], check=False, timeout=60)
    assert done.returncode == parent_death_signal.CANNOT_ASK
    assert not trace.exists()


def test_a_command_that_cannot_be_executed_is_named() -> None:
    done = subprocess.run(
        [*HELPER, str(os.getpid()), "/nowhere/envoy"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == parent_death_signal.CANNOT_EXECUTE
    assert done.stderr == "/nowhere/envoy: No such file or directory\n"
