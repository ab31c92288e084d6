"""What entries may name: below what the operator allowed, and nothing that leads out of it."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from meshmeter.agent.allowed_files import NO_FILES, AllowedFiles, FileRefused


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    folder = tmp_path / "allowed"
    folder.mkdir()
    (folder / "token").write_text("in")
    (tmp_path / "secret").write_text("out")
    return folder


def refused(files: AllowedFiles, path: Path | str) -> str:
    with pytest.raises(FileRefused) as caught:
        files.read(str(path), 100)
    return str(caught.value)


def test_by_default_nothing_is_opened(allowed: Path) -> None:
    assert "--allow-files" in refused(NO_FILES, allowed / "token")
    with pytest.raises(FileRefused, match="--allow-files"), NO_FILES.socket(str(allowed / "token")):
        pass


def test_what_is_below_is_read(allowed: Path) -> None:
    files = AllowedFiles([allowed])
    (allowed / "sub").mkdir()
    (allowed / "sub" / "ca").write_text("ca")
    assert files.read(str(allowed / "token"), 100) == b"in"
    assert files.read(f"{allowed}/sub/../sub/./ca", 100) == b"ca"
    with pytest.raises(FileNotFoundError):
        files.read(str(allowed / "none"), 100)
    with pytest.raises(OSError, match="larger"):
        files.read(str(allowed / "token"), 1)


def test_links_that_stay_inside_are_followed(allowed: Path) -> None:
    """As a mounted Kubernetes secret has them."""
    (allowed / "..v1").mkdir()
    (allowed / "..v1" / "ca").write_text("ca")
    (allowed / "..data").symlink_to("..v1")
    (allowed / "ca").symlink_to("..data/ca")
    (allowed / "absolute").symlink_to(allowed / "ca")
    files = AllowedFiles([allowed])
    assert files.read(str(allowed / "ca"), 100) == files.read(str(allowed / "absolute"), 100) == b"ca"


@pytest.mark.attack("B1: an entry names a file outside of what the agent's operator allowed")
def test_nothing_leads_out(allowed: Path) -> None:
    files = AllowedFiles([allowed])
    outside = allowed.parent / "secret"
    (allowed / "absolute").symlink_to(outside)
    (allowed / "relative").symlink_to("../secret")
    (allowed / "folder").symlink_to(allowed.parent)
    (allowed / "sneaky").symlink_to(f"{allowed}/../secret")
    (allowed / "circle").symlink_to("circle")
    (allowed / "magic").symlink_to(f"/proc/self/root{outside}")
    beside = allowed.parent / "allowed-not"
    beside.mkdir()
    (beside / "token").write_text("out")
    for path in (
        outside,
        f"{allowed}/../secret",
        beside / "token",
        allowed / "absolute",
        allowed / "relative",
        allowed / "folder" / "secret",
        allowed / "sneaky",
        allowed / "circle",
        allowed / "magic",
        "allowed/token",
        "/proc/self/environ",
        f"{allowed}/token\0",
        "",
    ):
        refused(files, path)


@pytest.mark.attack("B1: an entry names a FIFO, whose opening would freeze the agent")
def test_what_is_no_regular_file_is_refused_at_once(allowed: Path) -> None:
    files = AllowedFiles([allowed, Path("/dev")])
    os.mkfifo(allowed / "pipe")
    assert "a pipe, not a regular file" in refused(files, allowed / "pipe")
    assert "a device, not a regular file" in refused(files, "/dev/zero")
    assert "is a directory" in refused(files, allowed)
    assert "token on the way to it is a regular file" in refused(files, allowed / "token" / "x")


@pytest.mark.attack("B1: a file is swapped for a link while the agent looks at it")
def test_swapping_gains_nothing(allowed: Path) -> None:
    """Rename is atomic, so every read finds either the file or the link."""
    files, target = AllowedFiles([allowed]), allowed / "token"
    over = threading.Event()

    def swap() -> None:
        at = 0
        while not over.is_set():
            at += 1
            (allowed / f"file-{at}").write_text("in")
            os.replace(allowed / f"file-{at}", target)
            (allowed / f"link-{at}").symlink_to("../secret")
            os.replace(allowed / f"link-{at}", target)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        seen = set()
        for _ in range(500):
            try:
                seen.add(files.read(str(target), 100))
            except (FileRefused, OSError):
                pass
    finally:
        over.set()
        swapping.join()
    assert seen <= {b"in"}


@pytest.mark.attack("B1: an entry names the agent's own token, or its own work directory")
def test_what_is_the_agents_own_is_refused_also_where_its_directory_is_allowed(allowed: Path) -> None:
    work = allowed / "work"
    work.mkdir()
    (work / "bootstrap.json").write_text("t")
    os.link(allowed / "token", allowed / "hard")
    (allowed / "soft").symlink_to("work")
    files = AllowedFiles([allowed], own=[allowed / "token", work, allowed / "absent"])
    for path in ("token", "hard", "work/bootstrap.json", "soft/bootstrap.json"):
        assert "agent's own" in refused(files, allowed / path)
    assert "agent's own" in refused(AllowedFiles([work], own=[work]), work / "bootstrap.json")


def test_a_socket_is_connected_to_by_its_handle(allowed: Path) -> None:
    files, path = AllowedFiles([allowed]), allowed / "app.sock"
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(path))
        server.listen()
        with files.socket(str(path)) as found:
            path.rename(allowed / "moved")
            client.connect(found)
    with pytest.raises(FileRefused, match="not a unix socket"), files.socket(str(allowed / "token")):
        pass
    assert "a socket, not a regular file" in refused(files, allowed / "moved")
    with pytest.raises(FileNotFoundError), files.socket(str(path)):
        pass


def test_every_handle_is_closed(allowed: Path) -> None:
    files = AllowedFiles([allowed])
    (allowed / "out").symlink_to("..")
    (allowed / "deep").mkdir()
    before = set(os.listdir("/proc/self/fd"))
    files.read(str(allowed / "token"), 100)
    for path in (allowed / "out" / "x", allowed / "deep" / ".." / ".." / "secret", allowed / "token" / "x"):
        refused(files, path)
    assert set(os.listdir("/proc/self/fd")) == before


def test_the_operators_own_path_may_have_links(allowed: Path) -> None:
    link = allowed.parent / "link"
    link.symlink_to(allowed)
    assert AllowedFiles([link]).read(str(link / "token"), 100) == b"in"


def test_of_two_directories_the_outer_one_counts(allowed: Path) -> None:
    (allowed / "sub").mkdir()
    (allowed / "sub" / "up").symlink_to("../token")
    assert AllowedFiles([allowed / "sub", allowed]).read(str(allowed / "sub" / "up"), 100) == b"in"
