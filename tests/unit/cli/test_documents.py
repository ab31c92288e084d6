from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from meshmeter.cli.documents import read_input, read_variables
from meshmeter.errors import SettingsError, Violation

MESH = "type: Mesh\nname: {}\n"


def test_a_directory_gives_its_files_in_order_and_not_those_below(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "c.json", "note.txt", "d.yaml.bak"):
        (tmp_path / name).write_text(
            MESH.format(name[0]) if name != "c.json" else '{"type": "Mesh", "name": "c"}'
        )
    (tmp_path / "below.yaml").mkdir()
    given = read_input([str(tmp_path)], None)
    assert [Path(d.origin).name for d in given.documents] == ["a.yaml", "b.yml", "c.json"]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"a: 1\n---\nb: 2\n")))
    given = read_input(["-"], None)
    assert [given.place(index) for index in range(2)] == ["stdin:1", "stdin:3"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml: No such file"):
        read_input([str(tmp_path / "none.yaml")], None)


def test_faults_of_all_documents_come_with_their_places(tmp_path: Path) -> None:
    first, second = tmp_path / "1.yaml", tmp_path / "2.yaml"
    first.write_text("a: b: c\n---\ntype: Mesh\nname: Bad\n")
    second.write_text("type: Mesh\nname: good\n---\ntype: Mesh\nname: good\n")
    given = read_input([str(first), str(second)], None)
    valid, faults = given.checked()
    assert [(Path(given.place(checked.index)).name, checked.key.name) for checked in valid] == [
        ("2.yaml:1", "good"),
        ("2.yaml:4", "good"),
    ]
    assert [Path(fault.field).name for fault in faults] == ["1.yaml:1:5", "1.yaml:4: name", "2.yaml:5: name"]
    assert "keep one" in faults[-1].reason


def test_faults_of_a_batch_become_faults_of_files(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text("a: 1\n---\nb: 1\nmetrics: {y: 1,\n x: 2}\n")
    given = read_input([str(file)], None)
    sent = [
        Violation("documents[1].metrics.x", "Mesh a is also in documents[0]: keep one"),
        Violation("documents[0]", "bad"),
        Violation("documents[9].x", "unknown"),
        Violation("documents", "too many"),
    ]
    assert [str(v) for v in given.located(sent)] == [
        f"{file}:5: metrics.x: Mesh a is also in {file}:1: keep one",
        f"{file}:1: bad",
        "documents[9].x: unknown",
        "documents: too many",
    ]


def test_variables_are_put_in_and_missing_ones_named(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text("type: Mesh\nname: {{ name }}\n")
    assert read_input([str(file)], ["name=shop"]).documents[0].data["name"] == "shop"
    (fault,) = read_input([str(file)], ["other=x"]).faults
    assert fault.field == f"{file}:2" and "'name'" in fault.reason


def test_without_variables_the_text_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text("a: '{{ x }}'\n")
    assert read_input([str(file)], None).documents[0].data == {"a": "{{ x }}"}


def test_variables_are_pairs() -> None:
    assert read_variables(["a=1", "b=x=y"]) == {"a": "1", "b": "x=y"}
    for bad in ("a", "=x", "1a=2"):
        with pytest.raises(SettingsError, match="NAME=VALUE"):
            read_variables([bad])


def test_binary_files_are_refused_with_and_without_variables(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_bytes(b"a: \xff\n")
    for variables in (None, ["a=b"]):
        assert "UTF-8" in read_input([str(file)], variables).faults[0].reason


def test_utf_16_is_read_with_and_without_variables(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text("type: Mesh\nname: '{{ x }}'\n", encoding="utf-16")
    assert read_input([str(file)], None).documents[0].data["name"] == "{{ x }}"
    assert read_input([str(file)], ["x=é"]).documents[0].data["name"] == "é"


def test_a_fault_in_a_message_that_is_read_as_a_whole_has_the_line_of_its_field(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(
        "type: Mesh\nname: m\nmetrics:\n  backends:\n  - type: prometheus\n    conf:\n      path: /x\n"
        "      tls:\n        mode: providdTLS\n      aggregate:\n      - name: a\n        port: 80`\n"
    )
    at = "metrics.backends[0].conf"
    assert [str(fault) for fault in read_input([str(file)], None).checked()[1]] == [
        f'{file}:9: {at}.tls.mode: unknown value "providdTLS", must be one of "activeMTLSBackend", '
        '"providedTLS", "disabled", did you mean "providedTLS"?',
        f'{file}:12: {at}: could not parse config: aggregate[0].port: must be a whole number, got "80`"',
    ]


def test_secrets_are_checked_like_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("type: Secret\nname: key\ndata: YQ==\n---\ntype: Secret\nname: key\ndata: '?'\nx: 1\n")
    valid, faults = read_input([str(file)], None).checked()
    assert [str(checked.key) for checked in valid] == ["Secret default/key"]
    assert [Path(str(fault)).name for fault in faults] == [
        "s.yaml:8: x: unknown field, known are type, mesh, name, data",
        "s.yaml:7: data: must be base64",
    ]
