"""Reads from a drive that does not answer; a pipe that nobody writes to stands in for it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from meshmeter.controlplane.identity.file_reads import LARGEST_FILE, FileReads, read_file


def waiting_read(path: str) -> bytes:
    return Path(path).read_bytes()


def answer(pipe: Path) -> None:
    """The drive is back."""
    pipe.write_bytes(b"late")


async def test_one_mesh_waits_alone_and_with_one_thread(tmp_path: Path) -> None:
    pipe, good = tmp_path / "pipe", tmp_path / "good"
    os.mkfifo(pipe)
    good.write_bytes(b"good")
    reads = FileReads(waiting_read)
    before = threading.active_count()
    for _ in range(5):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await reads.read("stuck", str(pipe))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await reads.read("stuck", str(good))
    assert threading.active_count() == before + 1
    async with asyncio.timeout(60):
        assert await reads.read("fine", str(good)) == b"good"
        late = asyncio.create_task(reads.read("stuck", str(pipe)))
        await asyncio.to_thread(answer, pipe)
        assert await late == b"late"
        assert await reads.read("stuck", str(good)) == b"good"


async def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    reads = FileReads()
    with pytest.raises(FileNotFoundError):
        await reads.read("m", str(tmp_path / "none"))
    with pytest.raises(ValueError, match="null"):
        await reads.read("m", "a\0b")


def test_only_files_of_a_sane_size_are_read(tmp_path: Path) -> None:
    pipe, large, good = tmp_path / "pipe", tmp_path / "large", tmp_path / "good"
    os.mkfifo(pipe)
    large.write_bytes(b"x" * (LARGEST_FILE + 1))
    good.write_bytes(b"good")
    assert read_file(str(good)) == b"good"
    for path in (pipe, tmp_path, Path("/dev/zero")):
        with pytest.raises(OSError, match="not a regular file"):
            read_file(str(path))
    with pytest.raises(OSError, match="larger than"):
        read_file(str(large))


PROGRAM = """
import asyncio, sys
from pathlib import Path
from meshmeter.controlplane.identity.file_reads import FileReads

async def main():
    reads = FileReads(lambda path: Path(path).read_bytes())
    try:
        async with asyncio.timeout(0.05):
            await reads.read("stuck", sys.argv[1])
    except TimeoutError:
        print("stopping", flush=True)

asyncio.run(main())
"""


def test_a_read_in_flight_does_not_keep_the_process_alive(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "pipe")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "stopping\n", "")
