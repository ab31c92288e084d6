"""The lock that keeps a second control plane out of a data directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from meshmeter.errors import StartupError, StoreUnavailable


class FileLock:
    """Held from `take` until `release` or the end of the process, be it by kill -9; not inherited by children."""

    def __init__(self, handle: int):
        self._handle = handle

    @classmethod
    def of(cls, database: Path) -> FileLock:
        """Lock a database. Raises as `take`."""
        return cls.take(database.with_name(database.name + ".lock"))

    @classmethod
    def take(cls, path: Path) -> FileLock:
        """Lock this file, making it and its directory if needed.

        Raises StartupError if another process, or another lock of this one, holds it; StoreUnavailable if the file
        cannot be opened.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as exc:
            raise StoreUnavailable(
                f"cannot make the directory {path.parent}: {exc.strerror}; choose another with --data-dir"
            ) from exc
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise StoreUnavailable(
                f"cannot open {path}: {exc.strerror}; check the owner and mode of the directory"
            ) from exc
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            os.close(handle)
            raise StartupError(
                f"another control plane is using {path.parent}: stop it, or give this one another --data-dir"
            ) from exc
        except OSError as exc:
            os.close(handle)
            raise StoreUnavailable(f"cannot lock {path}: {exc.strerror}; use a local file system") from exc
        return cls(handle)

    def release(self) -> None:
        """Let the next one in; a second call does nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
