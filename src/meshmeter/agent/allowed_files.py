"""Files and unix sockets that aggregate entries name, opened only below directories that the agent's operator allowed.

Whoever registers a Dataplane writes its entries, and the agent's user can often read more than they may. So a path is
walked from the allowed directory by open handles, a name at a time: a `..` or a symbolic link that would lead out of it
is refused (a link that stays in it, as mounted Kubernetes secrets have them, is followed), and what is found at the end
is judged before it is opened. The agent's own secrets are refused also there.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from meshmeter.files import kind, read_handle

OPTION = "--allow-files"

MOST_LINKS = 40
"""Symbolic links on one path, as in the kernel."""

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class FileRefused(Exception):
    """The file may not be opened, or is not what it has to be. The message names it, and the way out."""


class AllowedFiles:
    """What the operator allowed: by default nothing."""

    def __init__(self, folders: Sequence[Path] = (), own: Sequence[Path] = ()):
        """`own`: files, and directories with everything below, that are refused although a directory has them."""
        # The outermost first: a link may lead from one allowed directory to another below the same.
        self._folders = sorted(set(folders), key=lambda folder: len(folder.parts))
        self._own = tuple(own)

    def read(self, path: str, limit: int) -> bytes:
        """The content of a regular file. Raises FileRefused, OSError."""
        with self._found(path) as (folder, name, handle):
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise FileRefused(f"{path} is {kind(status.st_mode)}, not a regular file")
            reading = os.open(name, _READ, dir_fd=folder)
            try:
                now = os.fstat(reading)
                if (now.st_dev, now.st_ino) != (status.st_dev, status.st_ino):
                    raise FileRefused(f"{path} was replaced while it was opened")
                return read_handle(reading, path, limit)
            finally:
                os.close(reading)

    @contextmanager
    def socket(self, path: str) -> Iterator[str]:
        """A path by which exactly this unix socket can be connected to within the context, whatever its name leads to
        by then. Raises FileRefused, OSError."""
        with self._found(path) as (_, _, handle):
            status = os.fstat(handle)
            if not stat.S_ISSOCK(status.st_mode):
                raise FileRefused(f"{path} is {kind(status.st_mode)}, not a unix socket")
            yield f"/proc/self/fd/{handle}"

    @contextmanager
    def _found(self, path: str) -> Iterator[tuple[int, str, int]]:
        """Handles of its directory and of itself, and its name there."""
        walk = _Walk(path, self._folder_of(path), self._identities())
        try:
            yield walk.to_the_end()
        finally:
            walk.close()

    def _folder_of(self, path: str) -> Path:
        if "\0" in path:
            raise FileRefused("a path cannot have a NUL")
        for folder in self._folders:
            if Path(path).is_absolute() and Path(path).is_relative_to(folder):
                return folder
        raise FileRefused(f"{path} is not in a directory that the agent's operator allows with {OPTION}")

    def _identities(self) -> frozenset[tuple[int, int]]:
        """What the own files are at the moment; they may have been replaced."""
        found = set()
        for path in self._own:
            try:
                status = path.stat()
            except OSError:
                continue  # not there: nobody can name it
            found.add((status.st_dev, status.st_ino))
        return frozenset(found)


class _Walk:
    """From an allowed directory down to a file."""

    def __init__(self, path: str, folder: Path, own: frozenset[tuple[int, int]]):
        self._path, self._folder, self._own = path, folder, own
        self._rest = deque(Path(path).relative_to(folder).parts)
        # The operator's own path to it may have links.
        self._handles = [os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)]
        self._end = -1
        self._links = 0

    def close(self) -> None:
        for handle in (*self._handles, *([self._end] if self._end >= 0 else [])):
            os.close(handle)

    def to_the_end(self) -> tuple[int, str, int]:
        """Handles of the file's directory and of the file, and its name."""
        self._judge(os.fstat(self._handles[-1]))
        while self._rest:
            name = self._rest.popleft()
            if name in ("", "."):
                continue
            if name == "..":
                if len(self._handles) == 1:
                    raise self._leads_out()
                os.close(self._handles.pop())
                continue
            self._end = os.open(name, _LOOK, dir_fd=self._handles[-1])
            status = os.fstat(self._end)
            self._judge(status)
            if stat.S_ISLNK(status.st_mode):
                target = os.readlink("", dir_fd=self._end)
                os.close(self._end)
                self._end = -1
                self._follow(target)
            elif not self._rest:
                return self._handles[-1], name, self._end
            elif stat.S_ISDIR(status.st_mode):
                self._handles.append(self._end)
                self._end = -1
            else:
                raise FileRefused(f"{self._path}: {name} on the way to it is {kind(status.st_mode)}")
        raise FileRefused(f"{self._path} is a directory, not a file")

    def _judge(self, status: os.stat_result) -> None:
        if (status.st_dev, status.st_ino) in self._own:
            raise FileRefused(f"{self._path} is one of the agent's own files, which no entry may name")

    def _follow(self, target: str) -> None:
        self._links += 1
        if self._links > MOST_LINKS:
            raise FileRefused(f"{self._path} has too many symbolic links")
        if target.startswith("/"):
            if not Path(target).is_relative_to(self._folder):
                raise self._leads_out()
            target = str(Path(target).relative_to(self._folder))
            while len(self._handles) > 1:
                os.close(self._handles.pop())
        self._rest.extendleft(reversed(target.split("/")))

    def _leads_out(self) -> FileRefused:
        return FileRefused(
            f"{self._path} leads out of {self._folder}, which the agent's operator allows with {OPTION}"
        )


NO_FILES = AllowedFiles()
"""Of an agent whose operator allowed nothing."""
