"""Reading files that may be anything by now: regular files only, never waiting, never more than a limit.

A path that was a file may be a FIFO, whose opening waits for a writer that never comes, or a device that never ends.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

LARGEST = 1 << 20
"""Bytes of a file that a user hands to us: manifests, certificates, keys, tokens."""

_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def read_file(path: str | os.PathLike[str], limit: int = LARGEST) -> bytes:
    """The content of a regular file, links followed. Raises OSError, also if it is none, or larger than `limit` bytes;
    its `strerror` can be shown to users."""
    handle = os.open(path, _OPEN)
    try:
        return read_handle(handle, path, limit)
    finally:
        os.close(handle)


def read_given(path: str | os.PathLike[str], limit: int = LARGEST) -> bytes:
    """The same for what somebody names for one command: it may be a pipe, as of a shell's `<(...)`, whose writer is
    waited for. Raises OSError."""
    handle = os.open(path, _OPEN & ~os.O_NONBLOCK)
    try:
        return read_handle(handle, path, limit, pipes=True)
    finally:
        os.close(handle)


def read_secret(path: Path, limit: int = LARGEST) -> bytes:
    """The same for a secret that we keep: of our user or root, and closed to others, as a copy or a restored backup may
    not be. Raises OSError."""
    handle = os.open(path, _OPEN)
    try:
        content = read_handle(handle, path, limit)
        found = os.fstat(handle)
        if found.st_uid not in (0, os.geteuid()):
            raise OSError(errno.EPERM, f"it belongs to user {found.st_uid}, who may change it", str(path))
        if found.st_mode & 0o077:
            os.fchmod(handle, 0o600)
        return content
    finally:
        os.close(handle)


def read_handle(handle: int, path: str | os.PathLike[str], limit: int, *, pipes: bool = False) -> bytes:
    """The content of what is open already; it stays open. `path` is for messages, `pipes` whether it may be one. Raises
    OSError."""
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode) and not (pipes and stat.S_ISFIFO(found.st_mode)):
        raise OSError(errno.EINVAL, f"it is {kind(found.st_mode)}, not a regular file", os.fspath(path))
    pieces, size = [], 0
    while piece := os.read(handle, min(limit + 1 - size, 1 << 16)):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise OSError(errno.EFBIG, f"it is larger than {limit} bytes", os.fspath(path))
    return b"".join(pieces)


def kind(mode: int) -> str:
    """What something is, by its `st_mode`, in words."""
    for is_one, words in (
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISREG, "a regular file"),
    ):
        if is_one(mode):
            return words
    return "a device"
