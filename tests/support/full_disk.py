"""File systems without space, in two ways: a small one of the test's own (root only), and a limit on what a process may
write to a file, for which nobody has to be root."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.require import missing


@contextmanager
def small_file_system(folder: Path, kilobytes: int = 2048) -> Iterator[Path]:
    """The folder with a file system of its own, for our user only."""
    folder.mkdir()
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k,mode=0700", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounting.returncode != 0:
        missing("mounting file systems", mounting.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Leave no space."""
    with (folder / "fill").open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            while True:
                try:
                    file.write(b"x" * size)
                except OSError as exc:
                    assert exc.errno == errno.ENOSPC
                    break
    assert os.statvfs(folder).f_bavail == 0


def run_with_files_up_to(
    size: int, *command: str, environ: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command that can write no file larger than this; to its end.

    The limit is set by a process of its own: between fork and exec of one in which gRPC's threads run, as in that of
    the tests, gRPC aborts now and then.
    """
    limited = "import os, resource, sys; size = int(sys.argv[1]); " + (
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)); os.execvp(sys.argv[2], sys.argv[2:])"
    )
    return subprocess.run(
        [sys.executable, "-c", limited, str(size), *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **(environ or {})},
    )
