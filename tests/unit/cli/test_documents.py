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
    resources, faults = read_input([str(first), str(second)], None).decoded()
    assert [(Path(place).name, resource.name) for place, resource in resources] == [
        ("2.yaml:1", "good"),
        ("2.yaml:4", "good"),
    ]
    assert [Path(fault.field).name for fault in faults] == ["1.yaml:1:5", "1.yaml:3: name", "2.yaml:4: name"]
    assert "keep one" in faults[-1].reason


def test_faults_of_a_batch_become_faults_of_files(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text("a: 1\n---\nb: 1\n")
    given = read_input([str(file)], None)
    sent = [
        Violation("documents[1].metrics.x", "Mesh a is also in documents[0]: keep one"),
        Violation("documents[0]", "bad"),
        Violation("documents[9].x", "unknown"),
        Violation("documents", "too many"),
    ]
    assert [str(v) for v in given.located(sent)] == [
        f"{file}:3: metrics.x: Mesh a is also in {file}:1: keep one",
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
