"""What the demo writes for Prometheus, and where its manifests are."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml

from meshmeter.cli.demo.mesh import manifests, prometheus_config
from support.require import program


def test_the_manifests_are_those_of_the_examples() -> None:
    names = {path.name for path in manifests().glob("*.yaml")}
    assert names == {"mesh.yaml", "frontend.yaml", "backend.yaml"}


def test_prometheus_accepts_the_configuration(tmp_path: Path) -> None:
    promtool = program("promtool", "apt-get install prometheus")
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(prometheus_config("http://127.0.0.1:5676/v1/targets")))
    checked = subprocess.run([promtool, "check", "config", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
