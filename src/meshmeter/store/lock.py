"""The lock that keeps a second control plane out of a data directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from meshmeter.errors import StartupError, StoreUnavailable
from meshmeter.folders import UnsafeFolder, check_folder


class FileLock:
    """Held from `take` until `release` or the end of the process, be it by kill -9; not inherited by children.

    The directory is locked together with the file: who deletes the file lets nobody in.
    """

    def __init__(self, handles: tuple[int, ...]):
        self._handles = handles

    @classmethod
    def of(cls, database: Path) -> FileLock:
        """Lock a database. Raises as `take`."""
        return cls.take(database.with_name(database.name + ".lock"))

    @classmethod
    def take(cls, path: Path) -> FileLock:
        """Lock this file and its directory, making them if needed.

        Raises StartupError if another process, or another lock of this one, holds one of them, or if other users may
        change what is in the directory; StoreUnavailable if they cannot be opened.
        """
        try:
            check_folder(path.parent)
        except UnsafeFolder as exc:
            raise StartupError(f"cannot use {path.parent}: {exc}; or choose another with --data-dir") from exc
        except OSError as exc:
            raise StoreUnavailable(
                f"cannot make the directory {path.parent}: {exc.strerror}; choose another with --data-dir"
            ) from exc
        held: list[int] = []
        try:
            held.append(_lock(path.parent, os.O_RDONLY | os.O_DIRECTORY))
            held.append(_lock(path, os.O_RDWR | os.O_CREAT))
        except BaseException:
            for handle in held:
                os.close(handle)
            raise
        return cls(tuple(held))

    def release(self) -> None:
        """Let the next one in; a second call does nothing."""
        handles, self._handles = self._handles, ()
        for handle in handles:
            os.close(handle)


def _lock(path: Path, flags: int) -> int:
    try:
        handle = os.open(path, flags | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise StoreUnavailable(
            f"cannot open {path}: {exc.strerror}; check the owner and mode of the directory"
        ) from exc
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        os.close(handle)
        folder = path if flags & os.O_DIRECTORY else path.parent
        raise StartupError(
            f"another control plane is using {folder}: stop it, or give this one another --data-dir"
        ) from exc
    except OSError as exc:
        os.close(handle)
        raise StoreUnavailable(f"cannot lock {path}: {exc.strerror}; use a local file system") from exc
    return handle
