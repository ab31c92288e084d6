"""Real processes for integration tests: control plane, data planes, applications; all stopped at the end."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import io
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import pytest

from meshmeter.cli.demo.processes import end_all
from meshmeter.cli.main import run
from support import warm

MESHMETER = (sys.executable, "-m", "meshmeter")

T = TypeVar("T")


def eventually(check: Callable[[], T], what: str, seconds: float = 60.0) -> T:
    """Repeat `check` until it returns something true; what it returned. Fails the test after `seconds`.

    An AssertionError or OSError of `check` counts as "not yet" and is shown if it never becomes true.
    """
    deadline = time.monotonic() + seconds
    last: object = None
    while True:
        try:
            last = check()
            if last:
                return last  # type: ignore[return-value]  # true, so it is T
        except (AssertionError, OSError) as exc:
            last = exc
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:.0f} s for {what}; last seen: {last!r}")
        time.sleep(0.05)


def free_port(address: str = "127.0.0.1") -> int:
    """A port that nothing listens on and that no other run of the tests on this machine will choose.

    It is below the range that the kernel hands out to outgoing connections: it is used only some time later, and a port
    of that range might be taken by then.
    """
    for port in _own_ports():
        with socket.socket() as probe:
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable")


@functools.cache
def _own_ports() -> Iterator[int]:
    """The ports of this process, over and over: the first block of 600 that no other process has a lock on, until this
    one ends. No port comes again soon, so that several can be chosen before any of them is used."""
    folder = Path(tempfile.gettempdir(), f"meshmeter-test-ports-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    for first in range(12000, 30000, 600):
        lock = os.open(folder / str(first), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return itertools.cycle(range(first, first + 600))
    pytest.fail("30 processes run these tests on this machine already, which leaves no ports for another")


@dataclass
class Process:
    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self, seconds: float = 60.0) -> int:
        """SIGTERM and wait; the exit code. Fails if it does not stop."""
        self.popen.terminate()
        return self.popen.wait(seconds)

    def kill(self) -> None:
        """kill -9."""
        self.popen.kill()
        self.popen.wait(10)


@dataclass
class Processes:
    """Starts processes with their output in files; `close` ends those that are left."""

    folder: Path
    all: list[Process] = field(default_factory=list)
    warm: bool = True
    """Whether processes of `meshmeter` are forked from one that has imported it. They have another name then."""

    def start(self, name: str, *command: str, env: Mapping[str, str] | None = None) -> Process:
        log = self.folder / f"{name}-{len(self.all)}.log"
        with log.open("wb") as output:
            if self.warm and command[: len(MESHMETER)] == MESHMETER and not env:
                popen = warm.start(command[len(MESHMETER) :], output)
            else:
                popen = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **(env or {})},
                    start_new_session=True,
                )
        process = Process(name, popen, log)
        self.all.append(process)
        return process

    def close(self) -> None:
        end_all([process.popen for process in reversed(self.all)], 10)


@dataclass
class ControlPlane:
    """A running `meshmeter control-plane run`, on ports that stay the same over restarts."""

    processes: Processes
    data_dir: Path
    ports: dict[str, int]
    process: Process
    options: tuple[str, ...] = ()

    @property
    def endpoints(self) -> dict[str, str]:
        return json.loads((self.data_dir / "endpoints.json").read_text())  # type: ignore[no-any-return]

    def url(self, endpoint: str) -> str:
        """Base URL of `api`, `dataplane_api`, `discovery` or `diagnostics`."""
        return self.endpoints[endpoint]

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """One CLI command against this control plane, in the test's own process: a process costs as much as a test."""
        return command_line(*arguments, "--data-dir", str(self.data_dir), stdin=stdin)

    def ok(self, *arguments: str, stdin: str | None = None) -> str:
        """The same, for a command that must succeed; its output."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def restart(self) -> None:
        """Start it again after it was stopped or killed."""
        self.process = _start_control_plane(self.processes, self.data_dir, self.ports, self.options)


def command_line(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """`meshmeter` in this process, with its standard streams; `meshmeter()` is the same in a process of its own."""
    out, err = io.StringIO(), io.StringIO()
    given = io.TextIOWrapper(io.BytesIO((stdin or "").encode()))
    with (
        # Not in this thread, whose event loop may be running: the CLI runs one of its own.
        ThreadPoolExecutor(1, "command line") as thread,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch("sys.stdin", given),
    ):
        code = thread.submit(run, arguments).result(60)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def meshmeter(
    *arguments: str, stdin: str | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MESHMETER, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **(env or {})},
    )


PORTS = ("api", "dataplane-api", "ads", "discovery", "diagnostics")


def start_control_plane(processes: Processes, folder: Path, *options: str) -> ControlPlane:
    ports = {name: free_port() for name in PORTS}
    data_dir = folder / "control-plane"
    process = _start_control_plane(processes, data_dir, ports, options)
    return ControlPlane(processes, data_dir, ports, process, options)


def _start_control_plane(
    processes: Processes, data_dir: Path, ports: dict[str, int], options: tuple[str, ...]
) -> Process:
    flags = [f"--{name}-port={port}" for name, port in ports.items()]
    process = processes.start(
        "control-plane", *MESHMETER, "control-plane", "run", "--data-dir", str(data_dir), *flags, *options
    )

    def is_ready() -> bool:
        assert process.popen.poll() is None, process.output()
        return get(f"http://127.0.0.1:{ports['diagnostics']}/ready")[0] == 200

    eventually(is_ready, "the control plane to be ready")
    return process


def get(url: str, timeout: float = 60.0, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
    """GET without redirects; status and body. OSError if there is no answer."""
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout)
    try:
        target = parts.path or "/"
        connection.request(
            "GET", f"{target}?{parts.query}" if parts.query else target, headers=dict(headers or {})
        )
        response = connection.getresponse()
        return response.status, response.read().decode()
    except http.client.HTTPException as exc:
        raise OSError(f"{url}: {exc!r}") from exc
    finally:
        connection.close()


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Processes]:
    processes = Processes(folder)
    try:
        yield processes
    finally:
        processes.close()


def samples(body: str, name: str, **labels: str) -> dict[str, float]:
    """The samples of one name whose labels include the given ones: series to value."""
    found: dict[str, float] = {}
    for line in body.splitlines():
        if line.startswith("#") or not line.startswith(name):
            continue
        series, _, value = line.rpartition(" ")
        if series.partition("{")[0] != name:
            continue
        if all(f'{key}="{text}"' in series for key, text in labels.items()):
            found[series] = float(value)
    return found


def document(**fields: Any) -> str:
    """A YAML (JSON) document for `apply -f -`."""
    return json.dumps(fields)
