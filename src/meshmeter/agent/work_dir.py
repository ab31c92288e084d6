"""The work directory: sockets, bootstrap and saved state of one data plane, for its user only.

It holds a token (in Envoy's bootstrap) and the socket of Envoy's admin interface, so nobody else may look in
or have made it: mode 0700, owned by us, no symbolic link. One agent at a time: a lock that ends with the
process.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meshmeter.errors import StartupError

SOCKET_PATH_LIMIT = 107
"""Bytes; Linux keeps a unix socket's path in 108, the last one being NUL."""


@dataclass(frozen=True, slots=True)
class WorkDir:
    """Where everything is. Only `locked` makes one."""

    path: Path

    @property
    def agent_socket(self) -> Path:
        """Envoy asks the agent for a scrape here."""
        return self.path / "agent.sock"

    @property
    def admin_socket(self) -> Path:
        """The agent asks Envoy for its statistics here."""
        return self.path / "admin.sock"

    @property
    def self_socket(self) -> Path:
        """Whoever may look in here asks the agent for its own metrics here."""
        return self.path / "self.sock"

    @property
    def bootstrap(self) -> Path:
        return self.path / "bootstrap.json"

    @property
    def certificate(self) -> Path:
        """Envoy reads the provided certificate here, in a directory that changes for no other reason."""
        return self.path / "certificate" / "sds.json"

    @property
    def state(self) -> Path:
        return self.path / "state.json"

    def remove_sockets(self) -> None:
        """Also those of a run that could not clean up."""
        for socket in (self.agent_socket, self.admin_socket, self.self_socket):
            socket.unlink(missing_ok=True)


def default_path(mesh: str, name: str, environ: Mapping[str, str]) -> Path:
    """The same for every run of this Dataplane by this user, so that a restart finds its state again."""
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        return Path(runtime, "meshmeter", mesh, name)
    return Path(tempfile.gettempdir(), f"meshmeter-{os.geteuid()}", mesh, name)


@contextmanager
def locked(path: Path) -> Iterator[WorkDir]:
    """The directory, made if it is not there, and locked until the context ends. Raises StartupError."""
    work_dir = WorkDir(path.absolute())
    longest = os.fsencode(work_dir.admin_socket)
    if len(longest) > SOCKET_PATH_LIMIT:
        raise StartupError(
            f"the work directory's path is {len(longest) - SOCKET_PATH_LIMIT} bytes too long for the unix "
            f"sockets in it ({SOCKET_PATH_LIMIT} bytes): use a shorter --work-dir than {path}"
        )
    try:
        _make(work_dir.path)
        _check_private(work_dir.path)
        lock = os.open(
            work_dir.path / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
    except OSError as exc:
        raise StartupError(f"the work directory {path} cannot be used: {exc.strerror}") from exc
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            owner = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
            raise StartupError(
                f"another `meshmeter dataplane run` (process {owner}) uses the work directory {path}: "
                "stop it, or give this one another --work-dir"
            ) from exc
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        work_dir.remove_sockets()
        yield work_dir
    finally:
        os.close(lock)


def write_private(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON with mode 0600; whoever reads it sees the old or the new content, never half of one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _make(path: Path) -> None:
    """Like `mkdir -p`, but everything that is made is for us only."""
    missing = []
    while not os.path.lexists(path):
        missing.append(path)
        path = path.parent
    if missing:
        _check_parent(path)
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)


def _check_parent(path: Path) -> None:
    """A directory where others may rename what we make is no place for it."""
    found = path.stat()
    others_write = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if (others_write and not found.st_mode & stat.S_ISVTX) or found.st_uid not in (0, os.geteuid()):
        raise StartupError(
            f"the work directory cannot be made in {path}: other users may change what is in it; "
            "use another --work-dir"
        )


def _check_private(path: Path) -> None:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise StartupError(f"the work directory {path} is a symbolic link: give its target as --work-dir")
    if not stat.S_ISDIR(found.st_mode):
        raise StartupError(f"the work directory {path} is not a directory: use another --work-dir")
    if found.st_uid != os.geteuid():
        raise StartupError(
            f"the work directory {path} belongs to user {found.st_uid}, not to us ({os.geteuid()}): "
            "use another --work-dir"
        )
    if found.st_mode & 0o077:
        raise StartupError(f"the work directory {path} is open to other users: chmod 700 {path}")
