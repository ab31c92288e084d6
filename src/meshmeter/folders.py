"""Directories of ours in places that others can write to, such as /tmp.

A path is walked from the root by open handles, a name at a time, and whatever is found is judged by its handle: no name
is looked up twice, so nothing can be swapped between the look and the use. Nobody but root and our user may be able to
change where the path leads: not by owning a directory on it, nor by writing to one, nor by a symbolic link of theirs.
Once that is so, the path may be used by its name.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST_LINKS = 40
"""Symbolic links on one path, as in the kernel."""

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class UnsafeFolder(Exception):
    """Somebody else may change what is there. The message names the place and the reason, not the way out."""


def check_folder(path: Path) -> None:
    """Make the directory if it is not there, and see that nobody but root and our user can write to it or change where
    it is. Raises UnsafeFolder, OSError."""
    with opened(path) as handle:
        found = os.fstat(handle)
        if found.st_uid not in _trusted():
            raise UnsafeFolder(f"{path} belongs to user {found.st_uid}")
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UnsafeFolder(
                f"{path} is open to other users (mode {stat.S_IMODE(found.st_mode):04o}), who may change what is "
                f"in it: chmod 700 {path}, after a look at who wrote what is in there"
            )


@contextmanager
def opened(path: Path, *, follow_last: bool = True) -> Iterator[int]:
    """A handle of the directory for the context, to judge it by (`os.fstat`); it and what is missing above it are made
    for us only. Without `follow_last` it may not be a symbolic link itself.

    Raises UnsafeFolder for what is on the way to it, OSError.
    """
    walk = _Walk(path)
    try:
        yield walk.to_the_end(follow_last)
    finally:
        walk.close()


class _Walk:
    def __init__(self, path: Path):
        self._trusted = _trusted()
        self._rest = deque(path.absolute().parts[1:])
        self._handles = [os.open("/", _LOOK | os.O_DIRECTORY)]
        self._names: list[str] = []
        self._links = 0

    def close(self) -> None:
        for handle in self._handles:
            os.close(handle)

    def to_the_end(self, follow_last: bool) -> int:
        while self._rest:
            name = self._rest.popleft()
            if name in ("", "."):
                continue
            if name == "..":
                if self._names:
                    self._names.pop()
                    os.close(self._handles.pop())
                continue
            self._judge_folder()
            found = self._enter_or_make(name)
            try:
                is_link = self._is_link(name, found)
                target = os.readlink("", dir_fd=found) if is_link else ""
            except BaseException:
                os.close(found)
                raise
            if not is_link:
                self._handles.append(found)
                self._names.append(name)
                continue
            os.close(found)
            if not self._rest and not follow_last:
                raise UnsafeFolder(f"{self._at(name)} is a symbolic link: give its target")
            self._follow(name, target)
        return self._handles[-1]

    def _enter_or_make(self, name: str) -> int:
        here = self._handles[-1]
        try:
            return os.open(name, _LOOK, dir_fd=here)
        except FileNotFoundError:
            try:
                os.mkdir(name, 0o700, dir_fd=here)
            except FileExistsError:
                pass  # by another process of ours, or by somebody else: it is judged like anything
            return os.open(name, _LOOK, dir_fd=here)

    def _is_link(self, name: str, found: int) -> bool:
        """Raises UnsafeFolder if it is one of another user's, OSError if it is neither link nor directory."""
        status = os.fstat(found)
        if stat.S_ISLNK(status.st_mode):
            if status.st_uid not in self._trusted:
                raise UnsafeFolder(f"{self._at(name)} is a symbolic link of user {status.st_uid}")
            return True
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self._at(name))
        return False

    def _follow(self, name: str, target: str) -> None:
        self._links += 1
        if self._links > MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self._at(name))
        if target.startswith("/"):
            while len(self._handles) > 1:
                os.close(self._handles.pop())
            self._names.clear()
        self._rest.extendleft(reversed(target.split("/")))

    def _judge_folder(self) -> None:
        """See that others cannot replace what is in the directory that was reached."""
        status = os.fstat(self._handles[-1])
        if status.st_uid not in self._trusted:
            raise UnsafeFolder(
                f"{self._at()} belongs to user {status.st_uid}: other users may change what is in it"
            )
        others = stat.S_IWOTH if status.st_gid in (0, os.getegid()) else stat.S_IWGRP | stat.S_IWOTH
        # In a sticky directory everybody may make names, but replace only their own, which is seen by the owner.
        if status.st_mode & others and not status.st_mode & stat.S_ISVTX:
            raise UnsafeFolder(f"other users may change what is in {self._at()}")

    def _at(self, name: str = "") -> str:
        return "/" + "/".join((*self._names, name) if name else self._names)


def _trusted() -> frozenset[int]:
    """Root, us, and who owns the root directory: where root itself has no name (a user namespace), that is root."""
    return frozenset({0, os.geteuid(), os.stat("/").st_uid})
