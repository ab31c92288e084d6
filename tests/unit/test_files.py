"""Reading what may be anything by now."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from meshmeter.files import read_file, read_given, read_secret
from support.require import root


def test_a_file_and_a_link_to_one_are_read(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"x" * 100_000)
    link.symlink_to(file)
    assert read_file(file) == read_file(link) == read_secret(link) == b"x" * 100_000


def test_a_file_may_have_exactly_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    assert read_file(file, 5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        read_file(file, 4)


def test_what_would_wait_or_never_end_is_refused(tmp_path: Path) -> None:
    pipe, listening = tmp_path / "pipe", tmp_path / "socket"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="a pipe, not a regular file"):
        read_file(pipe)
    with pytest.raises(OSError, match="a device"):
        read_file("/dev/zero")
    with pytest.raises(OSError, match="a directory"):
        read_file(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(listening))
        with pytest.raises(OSError):
            read_file(listening)


def test_for_one_command_a_pipe_is_waited_for_and_read_to_the_limit(tmp_path: Path) -> None:
    pipe, file = tmp_path / "pipe", tmp_path / "file"
    os.mkfifo(pipe)
    file.write_bytes(b"12345")
    with ThreadPoolExecutor(1) as writer:
        for content, limit in ((b"12345", 5), (b"123456", 5)):
            written = writer.submit(pipe.write_bytes, content)
            if len(content) > limit:
                with pytest.raises(OSError, match="larger than 5 bytes"):
                    read_given(pipe, limit)
            else:
                assert read_given(pipe, limit) == read_given(file, limit) == content
            written.result(30)
    with pytest.raises(OSError, match="a device"):
        read_given("/dev/zero")


@pytest.mark.parametrize("others", [0o644, 0o660, 0o604])
def test_a_secret_is_closed_to_others(tmp_path: Path, others: int) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"k")
    file.chmod(others)
    assert read_secret(file) == b"k"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_secret_that_is_closed_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"k")
    file.chmod(0o400)
    assert read_secret(file) == b"k"
    assert file.stat().st_mode & 0o777 == 0o400


def test_a_secret_that_another_user_wrote_is_none(tmp_path: Path) -> None:
    root()
    file = tmp_path / "key"
    file.write_bytes(b"k")
    os.chown(file, 65534, 65534)
    with pytest.raises(OSError, match="belongs to user 65534"):
        read_secret(file)
