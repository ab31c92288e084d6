from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from support.cli import Cli


@pytest.fixture
def explained(cli: Cli, tmp_path: Path) -> Cli:
    """With one Dataplane, `web`."""
    file = tmp_path / "web.yaml"
    file.write_text("{type: Dataplane, mesh: default, name: web, networking: {address: 10.0.0.1}}")
    cli.ok("apply", "-f", str(file))
    return cli


def test_a_proxy_is_explained_in_every_form(explained: Cli) -> None:
    assert explained.ok("explain", "dataplane", "web").startswith(
        "Dataplane web in mesh default: not connected, whether it serves metrics is not known"
    )
    assert json.loads(explained.ok("explain", "dataplane", "web", "-o", "json"))["dataplane"] == "web"
    assert yaml.safe_load(explained.ok("explain", "dataplane", "web", "-o", "yaml"))["dataplane"] == "web"


def test_a_mesh_is_explained_in_every_form(explained: Cli) -> None:
    assert explained.ok("explain", "mesh", "default").startswith("Mesh default: 1 proxy")
    assert json.loads(explained.ok("explain", "mesh", "default", "-o", "json"))["proxies"]["total"] == 1


def test_what_is_not_there_is_named(explained: Cli) -> None:
    done = explained("explain", "dataplane", "none")
    assert (done.code, done.err) == (1, 'Error: Dataplane "none" not found in mesh "default"\n')
    assert explained("explain", "dataplane", "web", "--mesh", "x").err == 'Error: mesh "x" not found\n'
    assert explained("explain", "mesh", "none").err == 'Error: mesh "none" not found\n'
