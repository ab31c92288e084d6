"""Children of the demo: started in sessions of their own, their output kept in files, all stopped at the end."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from meshmeter.errors import StartupError

STOP_SECONDS = 10.0
"""How long children may take to stop before they are killed."""


@dataclass(slots=True)
class Child:
    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def tail(self, lines: int = 12) -> str:
        """The end of what the child printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Children:
    """A context manager; leaving it stops every child, newest first, and waits for it.

    Those that have not stopped after `stop_seconds` are killed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        stop_seconds: float = STOP_SECONDS,
        on_check: Callable[[], None] = lambda: None,
    ):
        """`on_check` is called by `check` and may raise."""
        self._folder = folder
        self._on_check = on_check
        self._stop_seconds = stop_seconds
        self.all: list[Child] = []

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> Child:
        """Start a child. It gets its own session, so that Ctrl-C reaches only the demo, which then stops it."""
        log = self._folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        child = Child(name, process, log)
        self.all.append(child)
        return child

    def check(self) -> None:
        """Raise StartupError, with the child's last words, if one has ended by itself, or what `on_check` raises."""
        self._on_check()
        for child in self.all:
            code = child.process.poll()
            if code is not None:
                raise StartupError(f"{child.name} ended with code {code}; it said:\n{child.tail()}")

    def stop(self) -> None:
        """SIGTERM to all, newest first; after `stop_seconds` SIGKILL to the whole session of who is left."""
        end_all([child.process for child in reversed(self.all)], self._stop_seconds)
        self.all.clear()


def end_all(children: Sequence[subprocess.Popen[bytes]], seconds: float) -> None:
    """Close their standard input and send SIGTERM; after `seconds` SIGKILL to the whole session of who is left. Each
    leads a session of its own."""
    for child in children:
        if child.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                child.stdin.close()
        if child.poll() is None:
            child.terminate()
    deadline = time.monotonic() + seconds
    for child in children:
        try:
            child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def free_port(address: str = "127.0.0.1", wanted: int = 0) -> int:
    """`wanted` if it is free on the address, else another free port.

    The others are taken from below the range that the kernel hands out to outgoing connections: what is chosen here is
    bound by a child some time later.
    """
    candidates = [wanted] if wanted else []
    candidates += random.sample(range(12000, 30000), 100)
    for port in candidates:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return port
    raise StartupError(f"no free TCP port on {address}")
