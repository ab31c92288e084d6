from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest
import yaml

from meshmeter.cli.resource_commands import affected_line
from support.api_server import ServedApi
from support.cli import Cli

MESH = """\
type: Mesh
name: shop
metrics:
  enabledBackend: p
  backends: [{name: p, type: prometheus}]
"""
DATAPLANE = """\
type: Dataplane
mesh: shop
name: web
networking:
  address: 10.0.0.1
  inbound: [{port: 80, tags: {kuma.io/service: web}}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A Mesh and its Dataplane."""
    path = tmp_path / "shop.yaml"
    path.write_text(f"{MESH}---\n{DATAPLANE}")
    return path


def test_apply_tells_what_became_of_each_resource(cli: Cli, file: Path) -> None:
    assert cli.ok("apply", "-f", str(file)).splitlines() == [
        'mesh "shop" created',
        'dataplane "web" of mesh "shop" created',
    ]
    file.write_text(f"{MESH}---\n{DATAPLANE}labels: {{team: a}}\n")
    assert [line.split()[-1] for line in cli.ok("apply", "-f", str(file)).splitlines()] == [
        "unchanged",
        "updated",
    ]


def test_a_fault_anywhere_stores_nothing_and_every_fault_has_its_place(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(MESH)
    (tmp_path / "b.yaml").write_text(
        "type: Mesh\nname: x\nmetrcs: {}\n---\n" + DATAPLANE.replace("shop", "nope")
    )
    done = cli("apply", "-f", str(tmp_path / "a.yaml"), "-f", str(tmp_path / "b.yaml"))
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines() == [
        f'{tmp_path}/b.yaml:3: metrcs: unknown field, did you mean "metrics"?',
        f"{tmp_path}/b.yaml:6: mesh: mesh of name nope is not found",
    ]
    assert cli("get", "mesh", "shop").code == 1


def test_a_file_that_cannot_be_read_still_shows_the_faults_of_the_others(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: b: c\n---\ntype: Mesh\nname: Bad\n")
    done = cli("apply", "-f", str(tmp_path))
    assert done.code == 1
    assert [line.split(": ")[0] for line in done.err.splitlines()] == [
        f"{tmp_path}/a.yaml:1:5",
        f"{tmp_path}/a.yaml:4",
    ]


def test_nothing_to_apply(cli: Cli, tmp_path: Path) -> None:
    done = cli("apply", "-f", str(tmp_path))
    assert (done.code, done.err) == (1, "Error: no resource(s) passed to apply\n")
    assert cli("apply").code == 2
    assert cli("apply", "-f", "nowhere.yaml").code == 2


def test_warnings_go_to_standard_error(cli: Cli, file: Path) -> None:
    file.write_text(MESH.replace("  enabledBackend: p\n", ""))
    done = cli("apply", "-f", str(file))
    assert done.code == 0 and done.out.endswith("created\n")
    assert done.err.startswith(f"Warning: {file}:3: metrics.enabledBackend: ")


def test_a_dry_run_shows_the_difference_and_writes_nothing(cli: Cli, file: Path) -> None:
    cli.ok("apply", "-f", str(file))
    file.write_text(MESH.replace("type: prometheus", "type: prometheus, conf: {port: 1234}"))
    shown = cli.ok("apply", "-f", str(file), "--dry-run")
    assert "updated (dry run)" in shown
    assert "-      port: 5670" in shown and "+      port: 1234" in shown
    assert shown.splitlines()[-1] == "1 proxy changes: 1 port"
    assert "5670" in cli.ok("get", "mesh", "shop", "-o", "yaml")


def test_variables_are_put_in(cli: Cli, file: Path) -> None:
    file.write_text(MESH.replace("shop", "{{ name }}"))
    assert 'mesh "books" created' in cli.ok("apply", "-f", str(file), "-v", "name=books")
    done = cli("apply", "-f", str(file), "-v", "nme=books")
    assert done.code == 1 and "'name'" in done.err


def test_get_shows_tables_yaml_and_json(cli: Cli, file: Path) -> None:
    cli.ok("apply", "-f", str(file))
    assert [line.split()[0] for line in cli.ok("get", "meshes").splitlines()] == ["NAME", "default", "shop"]
    table = cli.ok("get", "dataplanes", "-m", "shop")
    assert "STATUS" in table and "offline" in table and "kuma.io/service=web" in table
    assert "web" in cli.ok("get", "dataplane", "web", "-m", "shop")
    assert "web" not in cli.ok("get", "dataplanes")
    assert "web" in cli.ok("get", "dp", "-A")
    listed = json.loads(cli.ok("get", "dp", "-A", "-o", "json"))
    assert (listed["total"], listed["items"][0]["name"], listed["next"]) == (1, "web", None)
    assert json.loads(cli.ok("get", "dp", "web", "-m", "shop", "-o", "json"))["name"] == "web"
    kubernetes = yaml.safe_load(cli.ok("get", "mesh", "shop", "-o", "yaml", "--format", "kubernetes"))
    assert kubernetes["kind"] == "Mesh"


def test_empty_lists_say_so(cli: Cli) -> None:
    for form in ("table", "yaml"):
        done = cli("get", "dp", "-o", form)
        assert (done.code, done.out, done.err) == (0, "", 'there are no dataplanes in mesh "default"\n')
    assert cli("get", "dp", "-A").err == "there are no dataplanes\n"
    assert json.loads(cli.ok("get", "dp", "-o", "json"))["items"] == []


def test_what_get_prints_can_be_applied_again(cli: Cli, file: Path, tmp_path: Path) -> None:
    cli.ok("apply", "-f", str(file))
    for form, kind, output, one in product(
        ("universal", "kubernetes"), ("mesh", "dataplane"), ("yaml", "json"), (False, True)
    ):
        again = tmp_path / "again.yaml"
        names = [{"mesh": "shop", "dataplane": "web"}[kind]] if one else []
        again.write_text(cli.ok("get", kind, *names, "--mesh=shop", "-o", output, "--format", form))
        done = cli.ok("apply", "-f", str(again)).splitlines()
        assert {line.split()[-1] for line in done} == {"unchanged"}


def test_what_other_tools_print_can_be_applied(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "list.yaml"
    file.write_text(
        "apiVersion: v1\nkind: List\nmetadata: {resourceVersion: ''}\nitems:\n"
        "- {apiVersion: kuma.io/v1alpha1, kind: Mesh, metadata: {name: one}}\n"
        "- {apiVersion: kuma.io/v1alpha1, kind: Mesh, metadata: {name: two}, spec: {metrcs: {}}}\n"
    )
    refused = cli("apply", "-f", str(file))
    assert refused.err == f'{file}:6: spec.metrcs: unknown field, did you mean "metrics"?\n'
    file.write_text(file.read_text().replace("metrcs", "metrics"))
    assert cli.ok("apply", "-f", str(file)) == 'mesh "one" created\nmesh "two" created\n'
    file.write_text("items:\n- {type: Mesh, name: three}\nnext: null\ntotal: 1\n", encoding="utf-16")
    assert cli.ok("apply", "-f", str(file)) == 'mesh "three" created\n'


def test_a_number_with_a_leading_zero_is_warned_of(cli: Cli, file: Path) -> None:
    file.write_text(MESH.replace("type: prometheus", "type: prometheus, conf: {port: 05670}"))
    assert cli("apply", "-f", str(file)).err.startswith(f"Warning: {file}:5:55: 05670 has a leading zero")
    assert "05670" in cli("validate", "-f", str(file)).err
    assert cli("validate", "-f", str(file), "--strict").code == 1


def test_an_online_proxy_is_shown_as_such(api: ServedApi, cli: Cli, file: Path) -> None:
    cli.ok("apply", "-f", str(file))
    api.registry.stream_opened("shop", "web", "1", "1.36")
    assert "online" in cli.ok("get", "dp", "-A")
    api.registry.refused("shop", "web", "t.Listener", "Address already in use")
    shown = cli.ok("get", "dp", "-A")
    assert "rejected" in shown and "Address already in use" in shown


def test_delete(cli: Cli, file: Path) -> None:
    cli.ok("apply", "-f", str(file))
    refused = cli("delete", "mesh", "shop")
    assert refused.code == 1
    assert refused.err == "mesh: unable to delete mesh, there are still some dataplanes attached\n"
    assert cli.ok("delete", "dataplane", "web", "--mesh", "shop") == (
        'dataplane "web" of mesh "shop" deleted\n'
    )
    assert cli.ok("delete", "mesh", "shop") == 'mesh "shop" deleted\n'


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (("get", "mesh", "none"), 1, 'Error: Mesh "none" not found'),
        (("get", "dp", "none"), 1, 'Error: Dataplane "none" not found in mesh "default"'),
        (("get", "dp", "--mesh", "none"), 1, 'Error: mesh "none" not found'),
        (("delete", "dp", "none"), 1, 'Error: Dataplane "none" not found in mesh "default"'),
        (("get", "pods"), 2, "Error: unknown kind 'pods'"),
        (("get", "dp", "x", "-A"), 2, "Error: --all-meshes"),
        (("get", "dp", "-o", "xml"), 2, "Invalid value"),
    ],
)
def test_what_goes_wrong_is_named(cli: Cli, arguments: tuple[str, ...], code: int, message: str) -> None:
    done = cli(*arguments)
    assert done.code == code and message in done.err and done.out == ""


def test_validate_needs_no_control_plane(offline: Cli, file: Path) -> None:
    assert offline.ok("validate", "-f", str(file)) == "2 documents are valid\n"
    file.write_text(MESH.replace("  enabledBackend: p\n", ""))
    warned = offline("validate", "-f", str(file))
    assert warned.code == 0 and "metrics.enabledBackend" in warned.err
    assert offline("validate", "-f", str(file), "--strict").code == 1
    file.write_text("type: Mesh\nname: Bad\nport: 1\n")
    refused = offline("validate", "-f", str(file))
    assert refused.code == 1 and len(refused.err.splitlines()) == 2
    file.write_text("# nothing\n")
    assert offline("validate", "-f", str(file)).code == 1


def test_the_line_about_proxies() -> None:
    assert affected_line({"proxies": 0, "port": 0}) == "no proxy changes"
    assert affected_line({"proxies": 3, "port": 1, "path": 0, "tls": 2}) == "3 proxies change: 1 port, 2 tls"
