"""What users get wrong: each gives a clear message and exit code, no traceback, and nothing is stored half."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.processes import ControlPlane, meshmeter
from support.proxies import dataplane_document, start_proxy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", ["not valid YAML", ":2:1"]),
        ("type: Meshh\nname: x\n", ["type", 'invalid resource type "Meshh"']),
        ("just a text\n", ["must be a mapping"]),
        ("type: Mesh\nname: x\nmetrix: {}\n", ["metrix", 'did you mean "metrics"']),
        ("type: Mesh\nname: x\nname: y\n", ["name", "duplicate"]),
        (
            "type: Dataplane\nmesh: nowhere\nname: x\nnetworking: {address: 127.0.0.1}\n",
            ["mesh", "mesh of name nowhere is not found"],
        ),
        (
            "type: Dataplane\nmesh: default\nname: x\nnetworking:\n  address: 127.0.0.1\n"
            "  inbound: [{port: 70000, tags: {kuma.io/service: x}}]\n",
            ["networking.inbound[0].port", "port must be in the range [1, 65535]"],
        ),
        ("type: Mesh\nname: x\nmetrics: {enabledBackend: y}\n", ["has to be set to one of the backends"]),
        ("", ["no resource(s) passed to apply"]),
    ],
)
def test_a_document_that_is_refused(control_plane: ControlPlane, text: str, words: list[str]) -> None:
    refused = control_plane.run("apply", "-f", "-", stdin=text)
    said = refused.stdout + refused.stderr
    assert refused.returncode == 1, said
    for word in words:
        assert word in said
    assert "Traceback" not in said
    stored = json.loads(control_plane.ok("get", "meshes", "-o", "json"))
    assert [mesh["name"] for mesh in stored["items"]] == ["default"]
    assert json.loads(control_plane.ok("get", "dataplanes", "-o", "json"))["items"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["apply"],
        ["apply", "-f", "/no/such/file"],
        ["get", "nonsense"],
        ["nonsense"],
        ["get", "meshes", "-o", "xml"],
    ],
)
def test_a_usage_error_exits_with_2(control_plane: ControlPlane, arguments: list[str]) -> None:
    wrong = control_plane.run(*arguments) if arguments != ["nonsense"] else meshmeter("nonsense")
    assert wrong.returncode == 2, wrong.stdout + wrong.stderr
    assert wrong.stderr and "Traceback" not in wrong.stderr


def test_a_mesh_with_dataplanes_is_not_deleted(control_plane: ControlPlane) -> None:
    made = dataplane_document("by-hand", "127.0.0.9", service_port=80)
    control_plane.ok("apply", "-f", "-", stdin=json.dumps(made))
    refused = control_plane.run("delete", "mesh", "default")
    assert refused.returncode == 1
    assert "there are still some dataplanes attached" in refused.stderr
    control_plane.ok("delete", "dataplane", "by-hand")
    control_plane.ok("delete", "mesh", "default")


def test_a_token_for_another_mesh_is_refused(control_plane: ControlPlane) -> None:
    control_plane.ok("apply", "-f", "-", stdin='{"type": "Mesh", "name": "shop"}')
    foreign = control_plane.ok("token", "dataplane", "--mesh", "shop", "--name", "backend")
    made = dataplane_document("backend", "127.0.0.9", service_port=80)
    proxy = start_proxy(control_plane, made, token=foreign)
    assert proxy.process.popen.wait(60) == 3
    assert "default" in proxy.process.output() and "shop" in proxy.process.output()
    assert "Traceback" not in proxy.process.output()


def test_no_admin_token_and_no_control_plane_are_told_apart(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    address = control_plane.url("api")
    empty = tmp_path / "empty.token"
    empty.write_text("nonsense\n")
    refused = meshmeter("get", "meshes", "--api-address", address, "--token-file", str(empty))
    assert refused.returncode == 1 and "token" in refused.stderr
    assert "nonsense" not in refused.stderr
    away = meshmeter("get", "meshes", "--api-address", "http://127.0.0.1:1", "--token-file", str(empty))
    assert away.returncode == 1 and "http://127.0.0.1:1" in away.stderr
    assert "Traceback" not in refused.stderr + away.stderr


def test_a_broken_data_directory_is_named(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (data_dir / "ca.crt").write_text("garbage")
    (data_dir / "ca.key").write_text("garbage")
    done = meshmeter("control-plane", "run", "--data-dir", str(data_dir), "--api-port", "0")
    assert done.returncode == 3
    assert "ca.crt" in done.stderr and "Traceback" not in done.stderr


def test_a_wrong_option_of_the_control_plane_is_named(tmp_path: Path) -> None:
    done = meshmeter("control-plane", "run", "--data-dir", str(tmp_path), "--api-port", "70000")
    assert done.returncode == 2
    assert "--api-port" in done.stderr and "70000" in done.stderr
    config = tmp_path / "config.yaml"
    config.write_text("apiport: 1\n")
    done = meshmeter("control-plane", "run", "--data-dir", str(tmp_path), "--config", str(config))
    assert done.returncode == 2
    assert "apiport" in done.stderr and "api" in done.stderr
