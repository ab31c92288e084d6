"""Children of the demo: started, watched, and gone at the end."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from meshmeter.cli.demo.processes import Children, free_port
from meshmeter.errors import StartupError

SLEEP = (sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(60)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)",
)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_leaving_stops_every_child(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        pids = [children.start(name, SLEEP).process.pid for name in ("a", "b")]
        assert all(map(is_alive, pids))
        children.check()
    assert not any(map(is_alive, pids))


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    with Children(tmp_path, stop_seconds=0.2) as children:
        child = children.start("stubborn", STUBBORN)
        while "ready" not in child.log.read_text():
            os.sched_yield()
    assert not is_alive(child.process.pid)


def test_a_child_that_ended_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        child = children.start("brief", (sys.executable, "-c", "print('no such file'); exit(7)"))
        child.process.wait()
        with pytest.raises(StartupError, match=r"brief ended with code 7(?s:.*)no such file"):
            children.check()


def test_a_wanted_port_is_given_if_it_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert free_port("127.0.0.1", port) != port
    assert free_port("127.0.0.1", port) == port
