"""What the demo writes for Prometheus, and where its manifests are."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from meshmeter.certs.authority import make_authority
from meshmeter.cli.demo.mesh import RunningMesh, manifests, scrape_config
from support.require import program


def test_the_manifests_are_those_of_the_examples() -> None:
    names = {path.name for path in manifests().glob("*.yaml")}
    assert names == {"mesh.yaml", "mesh-mtls.yaml", "frontend.yaml", "backend.yaml"}


def running(folder: Path, identity: Path | None = None) -> RunningMesh:
    endpoints = {"discovery": "http://127.0.0.1:5676"}
    return RunningMesh(folder, folder / "cp", endpoints, "http://127.0.0.2:8080/", None, identity)


def test_with_mtls_targets_are_asked_for_as_prometheus_reaches_them(tmp_path: Path) -> None:
    assert running(tmp_path).targets_url == "http://127.0.0.1:5676/v1/targets"
    with_mtls = running(tmp_path, tmp_path / "identity").targets_url
    assert with_mtls == "http://127.0.0.1:5676/v1/targets?mesh=default&direct=true"


@pytest.mark.parametrize("identity", [None, "identity"])
def test_prometheus_accepts_the_configuration(tmp_path: Path, identity: str | None) -> None:
    promtool = program("promtool", "apt-get install prometheus")
    folder = tmp_path / identity if identity else None
    if folder:
        folder.mkdir()
        authority = make_authority(
            "a",
            ec.generate_private_key(ec.SECP256R1()),
            serial=1,
            now=datetime.now(UTC),
            valid_for=timedelta(days=1),
        )
        for name in ("tls.crt", "ca.crt"):
            (folder / name).write_bytes(authority.certificate_pem)
        (folder / "tls.key").write_bytes(authority.key_pem)
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(scrape_config(running(tmp_path, folder))))
    checked = subprocess.run([promtool, "check", "config", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
