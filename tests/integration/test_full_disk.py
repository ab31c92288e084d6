"""A start without room on the disk: a message, code 3, no traceback. The documented units start it again then."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from support.full_disk import fill, run_with_files_up_to, small_file_system
from support.processes import MESHMETER, ControlPlane, free_port
from support.proxies import dataplane_document
from support.require import envoy

pytestmark = pytest.mark.integration


def dataplane(control_plane: ControlPlane, folder: Path, work_dir: Path) -> list[str]:
    """The command of a data plane with all that it needs."""
    token, file = folder / "web.token", folder / "web.yaml"
    token.touch(0o600)
    token.write_text(control_plane.ok("token", "dataplane", "--mesh", "default", "--name", "web"))
    file.write_text(yaml.safe_dump(dataplane_document("web", "127.0.0.4", service_port=80)))
    return [
        *MESHMETER,
        "dataplane",
        "run",
        f"--control-plane={control_plane.url('dataplane_api')}",
        f"--ca-cert-file={control_plane.data_dir / 'ca.crt'}",
        f"--token-file={token}",
        f"--dataplane-file={file}",
        f"--envoy={envoy()}",
        f"--work-dir={work_dir}",
    ]


def new_control_plane(data_dir: Path) -> list[str]:
    ports = ("api", "dataplane-api", "discovery", "diagnostics", "ads")
    return [
        *MESHMETER,
        "control-plane",
        "run",
        f"--data-dir={data_dir}",
        *(f"--{port}-port={free_port()}" for port in ports),
    ]


def told(done: subprocess.CompletedProcess[str], *words: str) -> None:
    output = done.stdout + done.stderr
    assert done.returncode == 3, output
    assert "Traceback" not in output
    for word in words:
        assert word in output, output


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("exists", [False, True])
def test_a_data_plane_on_a_full_file_system(
    control_plane: ControlPlane, tmp_path: Path, exists: bool
) -> None:
    with small_file_system(tmp_path / "small") as folder:
        if exists:
            (folder / "work").mkdir(mode=0o700)
        fill(folder)
        told(
            run(dataplane(control_plane, tmp_path, folder / "work")),
            "work directory",
            "No space left on device",
        )


@pytest.mark.parametrize(("size", "words"), [(0, "work directory"), (64, "bootstrap.json")])
def test_a_data_plane_that_cannot_write_its_files(
    control_plane: ControlPlane, tmp_path: Path, size: int, words: str
) -> None:
    """With 64 bytes there is room for the lock, and not for what the control plane sends: what is saved is done
    without, what Envoy needs is not."""
    command = dataplane(control_plane, tmp_path, tmp_path / "work")
    done = run_with_files_up_to(size, *command, environ={"PYTHONDONTWRITEBYTECODE": "1"})
    told(done, words, "ile too large" if size == 0 else "file too large")


@pytest.mark.parametrize("is_new", [True, False])
def test_a_control_plane_on_a_full_file_system(tmp_path: Path, is_new: bool) -> None:
    with small_file_system(tmp_path / "small") as folder:
        command = new_control_plane(folder / "data")
        if not is_new:
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as before:
                assert before.stdout is not None
                assert "ready" in before.stdout.readline()
                before.kill()  # what it had written last is still beside its database
            (folder / "data" / "endpoints.json").unlink()
        fill(folder)
        told(run(command), "free space")


@pytest.mark.parametrize("size", [0, 1000, 3000, 20_000])
def test_a_control_plane_that_cannot_write_its_files(tmp_path: Path, size: int) -> None:
    """The lock, then keys, then the database, each at its turn."""
    command = new_control_plane(tmp_path / "data")
    done = run_with_files_up_to(size, *command, environ={"PYTHONDONTWRITEBYTECODE": "1"})
    told(done, str(tmp_path / "data"))


@pytest.mark.attack("B8: a data directory that other users may write to is used")
def test_a_control_plane_refuses_a_directory_that_is_open_to_others(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    data_dir.chmod(0o777)
    told(run(new_control_plane(data_dir)), f"chmod 700 {data_dir}")
    assert not list(data_dir.iterdir())
