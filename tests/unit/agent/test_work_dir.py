from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshmeter.agent.work_dir import SOCKET_PATH_LIMIT, default_path, locked, write_private
from meshmeter.errors import StartupError
from support.require import root


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A new directory with a short name: with `tmp_path` a work directory below it is too long for its sockets."""
    with tempfile.TemporaryDirectory(prefix="mm-") as folder:
        yield Path(folder)


def refused(path: Path) -> str:
    with pytest.raises(StartupError) as caught, locked(path):
        pytest.fail("it must be refused")
    return str(caught.value)


def test_it_is_made_for_us_only_with_its_parents(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    with locked(path) as work_dir:
        assert work_dir.path == path
        assert [p.stat().st_mode & 0o777 for p in (path, path.parent)] == [0o700, 0o700]
    with locked(path):
        pass  # and can be used again


def test_only_one_agent_uses_it(tmp_path: Path) -> None:
    with locked(tmp_path / "w"):
        message = refused(tmp_path / "w")
        assert f"process {os.getpid()}" in message and "--work-dir" in message


def test_sockets_of_a_run_that_was_killed_are_removed(tmp_path: Path) -> None:
    with locked(tmp_path / "w") as work_dir:
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(work_dir.agent_socket))
    with locked(tmp_path / "w") as work_dir:
        assert not work_dir.agent_socket.exists()


def test_an_unsafe_directory_is_refused_with_the_way_out(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    open_to_others = tmp_path / "open"
    open_to_others.mkdir()
    open_to_others.chmod(0o755)
    assert f"chmod 700 {open_to_others}" in refused(open_to_others)

    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    assert "is a symbolic link" in refused(link)

    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    assert "is a symbolic link" in refused(dangling)

    file = tmp_path / "file"
    file.touch()
    assert "cannot be used: Not a directory" in refused(file)
    assert "cannot be used" in refused(file / "below")

    anybody = tmp_path / "anybody"
    anybody.mkdir()
    anybody.chmod(0o777)
    assert "other users may change what is in" in refused(anybody / "w")


def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    root()
    path = tmp_path / "theirs"
    path.mkdir(0o700)
    os.chown(path, 65534, 65534)
    assert "belongs to user 65534" in refused(path)
    assert "other users may change" in refused(path / "below")


@pytest.mark.parametrize("is_link", [True, False])
@pytest.mark.attack("B8: another user has made the default work directory, or a link in its place")
def test_the_default_is_refused_where_another_user_was_first(
    tmp_path: Path, short_path: Path, is_link: bool
) -> None:
    root()
    shared, ours = short_path / "tmp", tmp_path / "ours"
    shared.mkdir()
    shared.chmod(0o1777)
    ours.mkdir()
    path = default_path("shop", "web", {}, shared)
    with locked(path):
        pass
    made = shared / f"meshmeter-{os.geteuid()}"
    made.rename(shared / "before")
    if is_link:
        made.symlink_to(ours)
    else:
        made.mkdir()
    os.chown(made, 65534, 65534, follow_symlinks=False)
    message = refused(path)
    assert "user 65534" in message and "use another --work-dir" in message
    assert not list(ours.iterdir())


def test_a_path_too_long_for_a_socket_is_refused_with_the_excess(tmp_path: Path) -> None:
    longest = SOCKET_PATH_LIMIT - len(os.fsencode(tmp_path)) - len("//admin.sock")
    with locked(tmp_path / ("x" * longest)) as work_dir, socket.socket(socket.AF_UNIX) as fits:
        fits.bind(str(work_dir.admin_socket))
    message = refused(tmp_path / ("x" * (longest + 3)))
    assert "3 bytes too long" in message and "shorter --work-dir" in message


def test_the_default_is_stable_and_different_for_every_dataplane() -> None:
    runtime = {"XDG_RUNTIME_DIR": "/run/user/7"}
    assert default_path("shop", "web", runtime) == Path("/run/user/7/meshmeter/shop/web")
    assert default_path("shop", "web", {}, Path("/t")) == Path(f"/t/meshmeter-{os.geteuid()}/shop/web")
    usual = Path(tempfile.gettempdir(), f"meshmeter-{os.geteuid()}")
    assert default_path("shop", "web", {}) == usual / "shop" / "web"
    assert default_path("a-b", "c", {}) != default_path("a", "b-c", {})


def test_files_are_written_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    write_private(path, {"a": 1})
    assert json.loads(path.read_text()) == {"a": 1}
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(TypeError):
        write_private(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}, "the old content stays"
    assert [p.name for p in tmp_path.iterdir()] == ["f.json"], "and nothing is left behind"
