"""Processes of `meshmeter` that need not import it first.

A server imports the program once and forks for each process that a test wants: the same code in a process of its own,
in a tenth of the time and of the CPU that starting an interpreter takes. Only its name in the process list differs.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import IO, cast

PRELOADED = (
    "meshmeter.agent.app",
    "meshmeter.cli.control_plane",
    "meshmeter.cli.dataplane",
    "meshmeter.cli.identity_commands",
    "meshmeter.controlplane.app",
)


class WarmProcess:
    """The part of subprocess.Popen that tests use, for a process that the server forked."""

    def __init__(self, server: _Server, pid: int, stdin: IO[bytes]):
        self._server = server
        self.pid = pid
        self.stdin = stdin
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._server.exit_code(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                assert timeout is not None
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class _Server:
    """This test process's end of the server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: dict[int, int] = {}
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()]
            )

    def close(self) -> None:
        self._socket.close()
        self._process.wait(10)

    def start(self, arguments: Sequence[str], output: IO[bytes]) -> WarmProcess:
        """`meshmeter ARGUMENTS` as the leader of a session of its own."""
        theirs, ours = os.pipe()
        request = json.dumps({"arguments": arguments, "environ": dict(os.environ), "cwd": os.getcwd()})
        with self._lock:
            socket.send_fds(self._socket, [request.encode()], [theirs, output.fileno()])
            os.close(theirs)
            while "started" not in (answer := json.loads(self._socket.recv(1 << 16))):
                self._note(answer)
        return WarmProcess(self, answer["started"], os.fdopen(ours, "wb"))

    def exit_code(self, pid: int) -> int | None:
        with self._lock:
            while select.select([self._socket], [], [], 0)[0]:
                self._note(json.loads(self._socket.recv(1 << 16)))
            return self._ended.get(pid)

    def _note(self, answer: dict[str, int]) -> None:
        self._ended[answer["ended"]] = answer["code"]


@functools.cache
def _server() -> _Server:
    server = _Server()
    atexit.register(server.close)
    return server


def start(arguments: Sequence[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    """`meshmeter ARGUMENTS` with its output in a file. Its standard input is a pipe."""
    return cast("subprocess.Popen[bytes]", _server().start(arguments, output))


def serve(requests: socket.socket) -> list[str]:
    """Fork for each request until nobody asks any more. Returns in the forked process, with its arguments."""
    wakeup, woken = os.pipe()
    for end in (wakeup, woken):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests, which then end what they started
    gc.freeze()
    while True:
        readable = select.select([requests, wakeup], [], [])[0]
        if wakeup in readable:
            os.read(wakeup, 1 << 10)
            _report(requests)
        if requests not in readable:
            continue
        message, files, *_ = socket.recv_fds(requests, 1 << 20, 2)
        if not message:
            sys.exit(0)
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for end in (wakeup, woken):
                os.close(end)
            requests.close()
            return _become(json.loads(message), files)
        for file in files:
            os.close(file)
        requests.send(json.dumps({"started": pid}).encode())


def _report(requests: socket.socket) -> None:
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            code = os.waitstatus_to_exitcode(ended[1])
            with contextlib.suppress(BrokenPipeError):
                requests.send(json.dumps({"ended": ended[0], "code": code}).encode())


def _become(request: dict[str, object], files: list[int]) -> list[str]:
    """Take over what a process of its own would have got from the one that starts it."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    given, output = files
    for number, file in enumerate((given, output, output)):
        os.dup2(file, number)
    for file in files:
        os.close(file)
    os.environ.clear()
    os.environ.update(cast("dict[str, str]", request["environ"]))
    os.chdir(cast("str", request["cwd"]))
    random.seed()
    gc.unfreeze()
    return cast("list[str]", request["arguments"])


if __name__ == "__main__":
    import importlib

    for module in PRELOADED:
        importlib.import_module(module)
    sys.argv[1:] = serve(socket.socket(fileno=int(sys.argv[1])))
    from meshmeter.__main__ import main

    main()
