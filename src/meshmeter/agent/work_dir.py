"""The work directory: sockets, bootstrap and saved state of one data plane, for its user only.

It holds a token (in Envoy's bootstrap) and the socket of Envoy's admin interface, so nobody else may look in
or have made it: mode 0700, owned by us, no symbolic link. One agent at a time: a lock that ends with the
process.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meshmeter.errors import StartupError
from meshmeter.folders import UnsafeFolder, opened
from meshmeter.whole_files import write_whole

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


def default_path(mesh: str, name: str, environ: Mapping[str, str], temporary: Path | None = None) -> Path:
    """The same for every run of this Dataplane by this user, so that a restart finds its state again."""
    return shared_folders(environ, temporary)[0] / mesh / name


def shared_folders(environ: Mapping[str, str], temporary: Path | None = None) -> list[Path]:
    """Where the work directories of this user's agents are, if they were not told another; new ones in the first.

    `temporary` is the system's directory for temporary files unless given.
    """
    usual = Path(temporary or tempfile.gettempdir(), f"meshmeter-{os.geteuid()}")
    runtime = environ.get("XDG_RUNTIME_DIR")
    return [Path(runtime, "meshmeter"), usual] if runtime else [usual]


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
        lock = _lock(work_dir.path)
    except UnsafeFolder as exc:
        raise StartupError(
            f"the work directory {path} cannot be used: {exc}; or use another --work-dir"
        ) from exc
    except OSError as exc:
        raise StartupError(f"the work directory {path} cannot be used: {exc.strerror}") from exc
    try:
        try:
            work_dir.remove_sockets()
        except OSError as exc:
            raise StartupError(f"the work directory {path} cannot be used: {exc.strerror}") from exc
        yield work_dir
    finally:
        os.close(lock)


def _lock(path: Path) -> int:
    """A handle of the lock that is held in the directory. Raises StartupError, UnsafeFolder, OSError."""
    with opened(path, follow_last=False) as folder:
        _check_private(os.fstat(folder), path)
        lock = os.open(
            "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600, dir_fd=folder
        )
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
    except BaseException:
        os.close(lock)
        raise
    return lock


def write_private(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON whole, with mode 0600. Raises OSError, which names the file."""
    write_whole(path, json.dumps(content).encode(), 0o600)


def _check_private(found: os.stat_result, path: Path) -> None:
    if found.st_uid != os.geteuid():
        raise StartupError(
            f"the work directory {path} belongs to user {found.st_uid}, not to us ({os.geteuid()}): "
            "use another --work-dir"
        )
    if found.st_mode & 0o077:
        raise StartupError(f"the work directory {path} is open to other users: chmod 700 {path}")
