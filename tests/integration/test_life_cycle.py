"""Start, stop and death of the control plane, in real processes."""

from __future__ import annotations

import json
import signal
import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from meshmeter.certs.mesh_ca import make_authority
from support.certificates import of_version_4
from support.processes import (
    MESHMETER,
    ControlPlane,
    Process,
    Processes,
    document,
    eventually,
    free_port,
    get,
    samples,
)

PORTS = ("api", "dataplane-api", "ads", "discovery", "diagnostics")


def begin(processes: Processes, folder: Path, *program: str) -> tuple[Process, str]:
    """A control plane that has been started and may be anywhere in its start; the URL of its diagnostics."""
    ports = {name: free_port() for name in PORTS}
    flags = [f"--{name}-port={port}" for name, port in ports.items()]
    command = [*(program or MESHMETER), "control-plane", "run", "--data-dir", str(folder), *flags]
    return processes.start("control-plane", *command), f"http://127.0.0.1:{ports['diagnostics']}"


def broken(statement: str) -> tuple[str, ...]:
    """The program with a fault of its own."""
    return sys.executable, "-c", f"import sys\n{statement}\nfrom meshmeter.__main__ import main\nmain()"


def readiness(url: str) -> dict[str, object]:
    status, body = get(url + "/ready")
    found: dict[str, object] = json.loads(body)
    assert (status == 200) == (found["status"] == "ready")
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_start_says_that_it_is_one_and_can_be_stopped(
    processes: Processes, control_plane: ControlPlane, number: signal.Signals
) -> None:
    """One that goes on for ever, because the resources cannot be read."""
    assert control_plane.process.stop() == 0
    folder = control_plane.data_dir
    with sqlite3.connect(folder / "meshmeter.db") as db:
        ((page,),) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'resources'")
        ((size,),) = db.execute("PRAGMA page_size")
    db.close()
    with (folder / "meshmeter.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    process, url = begin(processes, folder)

    def is_compiling() -> bool:
        found = readiness(url)
        assert found["status"] == "starting", process.output()
        reasons = str(found["reasons"])
        return "compiling" in reasons and "restore a backup" in reasons

    eventually(is_compiling, "the start to say where it is")
    assert get(url + "/healthy")[0] == 200 and get(url + "/metrics")[0] == 200
    process.popen.send_signal(number)
    assert process.popen.wait(60) == 0
    assert "Traceback" not in process.output()
    assert not (folder / "endpoints.json").exists()


def test_a_store_that_is_held_is_waited_for_and_then_named(processes: Processes, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    with sqlite3.connect(folder / "meshmeter.db", isolation_level=None) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        process, url = begin(processes, folder)
        eventually(
            lambda: readiness(url)["reasons"] == {"start": "opening the store"},
            "the start to say what it does",
        )
        assert process.popen.wait(60) == 3
    holder.close()
    assert "another program holds a lock on it" in process.output() and "Traceback" not in process.output()


@pytest.mark.parametrize(
    "fault",
    [
        "from meshmeter.controlplane.reconcile.reconciler import Reconciler as part\npart._compile = fail",
        "from meshmeter.controlplane.tokens.service import TokenService as part\npart.run = fail",
    ],
    ids=["the reconciler, while starting", "another part, at any time"],
)
def test_a_part_that_dies_ends_the_process_with_a_code_that_restarts_it(
    processes: Processes, tmp_path: Path, fault: str
) -> None:
    process, _ = begin(
        processes, tmp_path / "data", *broken(f"async def fail(self): raise LookupError('odd')\n{fault}")
    )
    assert process.popen.wait(60) == 3
    assert "a part of the control plane failed" in process.output() and "LookupError" in process.output()


def test_a_row_of_another_version_costs_itself_and_nothing_else(control_plane: ControlPlane) -> None:
    control_plane.process.stop()
    row = ("Gadget", "default", "g", 1, "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00")
    with sqlite3.connect(control_plane.data_dir / "meshmeter.db") as db:
        db.execute("INSERT INTO resources VALUES (?, ?, ?, ?, ?, ?, ?)", [*row, '{"kind":"Gadget"}'])
        db.execute("INSERT INTO resources VALUES (?, ?, ?, ?, ?, ?, ?)", ["Mesh", "", "torn", *row[3:], "{"])
    db.close()
    control_plane.restart()
    url = control_plane.url("diagnostics")
    found = readiness(url)
    assert found["status"] == "ready"
    told = "\n".join(found["findings"])  # type: ignore[arg-type]
    assert "resource-unreadable: Gadget default/g is stored" in told and "Mesh torn" in told
    assert set(
        samples(get(url + "/metrics")[1], "meshmeter_control_plane_unreadable_resources").values()
    ) == {2}
    assert "cannot be read and is left out" in control_plane.process.output()

    assert "default" in control_plane.ok("get", "meshes")
    refused = control_plane.run("get", "mesh", "torn")
    assert refused.returncode == 1 and "the stored Mesh torn cannot be read" in refused.stderr
    assert "resource-unreadable" in control_plane.ok("explain", "mesh", "default")
    over = control_plane.run("apply", "-f", "-", stdin='{"type": "Mesh", "name": "torn"}')
    assert over.returncode == 1 and "the stored Mesh torn cannot be read" in over.stderr
    with sqlite3.connect(control_plane.data_dir / "meshmeter.db") as db:
        kept = dict(db.execute("SELECT name, document FROM resources WHERE name IN ('g', 'torn')"))
    db.close()
    assert kept == {"g": '{"kind":"Gadget"}', "torn": "{"}
    control_plane.ok("delete", "mesh", "torn")
    eventually(lambda: "torn" not in str(readiness(url)["findings"]), "the deleted row to be forgotten")


def test_what_is_wrong_with_one_mesh_ends_nothing_and_is_told_without_proxies(
    control_plane: ControlPlane,
) -> None:
    source = {name: {"secret": name} for name in ("cert", "key")}
    backend = {"name": "ca", "type": "provided", "conf": source}
    mesh = document(type="Mesh", name="odd", mtls={"enabledBackend": "ca", "backends": [backend]})
    control_plane.ok("apply", "-f", "-", stdin=mesh)
    eventually(
        lambda: "has no secret 'cert'" in control_plane.ok("explain", "mesh", "odd"),
        "the finding of the mesh",
    )
    authority = make_authority(
        "odd",
        ec.generate_private_key(ec.SECP256R1()),
        serial=1,
        now=datetime.now(UTC),
        valid_for=timedelta(days=9),
    )
    for name, content in (
        ("cert", of_version_4(authority.bundle_pem)),
        ("key", authority.to_pem().decode()),
    ):
        control_plane.ok("secret", "put", name, "--mesh", "odd", "-f", "-", stdin=content)
    eventually(
        lambda: "version that does not exist" in control_plane.ok("explain", "mesh", "odd"),
        "the certificate that cannot be to be told",
    )
    assert readiness(control_plane.url("diagnostics"))["status"] == "ready"
    assert control_plane.process.popen.poll() is None


def test_a_deleted_database_is_noticed_and_a_backup_heals_it(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    copy, keys = tmp_path / "copy", tmp_path / "keys"
    control_plane.ok("apply", "-f", "-", stdin=document(type="Mesh", name="kept"))
    control_plane.ok("backup", str(copy), "--keys-dir", str(keys))
    for file in control_plane.data_dir.glob("meshmeter.db*"):
        file.unlink()
    refused = control_plane.run("apply", "-f", "-", stdin=document(type="Mesh", name="lost"))
    assert (
        refused.returncode == 1 and "meshmeter.db was deleted or moved while it was in use" in refused.stderr
    )
    assert control_plane.run("token", "admin").returncode == 1
    assert "kept" in control_plane.ok("get", "meshes")
    url = control_plane.url("diagnostics")
    told = readiness(url)
    assert told["status"] == "not ready" and "meshmeter restore" in str(told["reasons"])
    metric = "meshmeter_control_plane_store_faulty"
    assert set(samples(get(url + "/metrics")[1], metric).values()) == {1}
    running = control_plane.run("restore", str(copy))
    assert running.returncode == 1

    assert control_plane.process.stop() == 0
    for file in control_plane.data_dir.glob("meshmeter.db*"):
        file.unlink()
    control_plane.ok("restore", str(copy))
    control_plane.restart()
    assert "kept" in control_plane.ok("get", "meshes")
    assert readiness(control_plane.url("diagnostics"))["status"] == "ready"
