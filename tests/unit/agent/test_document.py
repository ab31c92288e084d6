from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from meshmeter.agent.document import identity, naming_lines, parse
from meshmeter.cli.documents import read_input
from meshmeter.documents.reader import LARGEST_DOCUMENT
from meshmeter.errors import InvalidResource, Violation

UNIVERSAL = "type: Dataplane\nmesh: shop\nname: web-1\nnetworking: {address: 10.0.0.1}\n"
KUBERNETES = "kind: Dataplane\napiVersion: kuma.io/v1alpha1\nmesh: shop\nmetadata: {name: web-1}\nspec: {}\n"


def read(text: str) -> dict[str, Any]:
    return parse(text, origin="dp.yaml")[0].data


def fault(text: str) -> str:
    with pytest.raises(InvalidResource) as caught:
        identity(read(text))
    return "; ".join(map(str, caught.value.violations))


def test_both_envelopes_are_read() -> None:
    assert read(UNIVERSAL)["networking"] == {"address": "10.0.0.1"}
    assert identity(read(UNIVERSAL)) == ("shop", "web-1")
    assert identity(read(KUBERNETES)) == ("shop", "web-1")
    assert identity(read("---\ntype: Dataplane\nname: a\n---\n")) == ("default", "a")
    assert identity(read('{"type": "Dataplane", "name": "a"}')) == ("default", "a")
    assert identity(read("items: [{type: Dataplane, name: a}]\ntotal: 1\nnext: null")) == ("default", "a")


def test_everything_in_it_can_travel_as_json() -> None:
    document = read("type: Dataplane\nname: a\ntags: {version: 2026-01-31, at: 2026-01-31T10:00:00Z}\n")
    assert json.loads(json.dumps(document))["tags"] == {"version": "2026-01-31", "at": "2026-01-31T10:00:00Z"}


def test_a_part_may_be_repeated() -> None:
    document = read("type: Dataplane\nname: a\nx: &t {a: b}\ny: *t\nz: {<<: *t, c: d}\n")
    assert document["y"] == {"a": "b"}
    assert document["z"] == {"a": "b", "c": "d"}


def test_what_deserves_attention_is_said() -> None:
    (warning,) = parse(UNIVERSAL + "x: 010\n", origin="dp.yaml")[1]
    assert str(warning).startswith("dp.yaml:5:4: 010 has a leading zero")


ALIASES = UNIVERSAL + "metrics: {conf: {tags: &t {a: b}}}\nprobes: {x: [" + ", ".join(["*t"] * 25) + "]}\n"
TOO_MANY = UNIVERSAL + f"a: &a [{', '.join('x' * 200)}]\nb: [{', '.join(['*a'] * 60)}]\n"


@pytest.mark.parametrize(
    "text",
    [UNIVERSAL, KUBERNETES, ALIASES, TOO_MANY, UNIVERSAL + "x: 1:30\n", UNIVERSAL + "mesh: twice\n", "a: ["],
    ids=["universal", "kubernetes", "25 aliases", "a bomb", "base 60", "a key twice", "no yaml"],
)
def test_the_agent_reads_what_validate_reads(text: str, tmp_path: Path) -> None:
    file = tmp_path / "dp.yaml"
    file.write_text(text)
    checked = read_input([str(file)], None)
    if checked.faults:
        with pytest.raises(InvalidResource) as caught:
            parse(text, origin=str(file))
        assert caught.value.violations == checked.faults
    else:
        assert parse(text, origin=str(file))[0].data == checked.documents[0].data


def test_what_is_no_dataplane_is_refused_with_the_reason() -> None:
    def check(text: str, reason: str) -> None:
        found = fault(text)
        assert reason in found, text[:80]
        assert len(found) < 400

    check("", "dp.yaml: one Dataplane is expected, not 0 documents")
    check(UNIVERSAL + "---\n" + UNIVERSAL, "one Dataplane is expected, not 2 documents")
    check("- 7\n", "a document must be a mapping with type, name and so on, not a single value")
    check("name: a\ntype: Mesh\n", "dp.yaml:2: type: must be \"Dataplane\", not 'Mesh'")
    check("kind: Pod\n", "kind: must be \"Dataplane\", not 'Pod'")
    check("name: a\n", 'type: must be "Dataplane", not None')
    check("type: Dataplane\n  name: a\n", "dp.yaml:2:7: is not valid YAML: mapping values are not allowed")
    check("type: Dataplane\nname: a\nname: b\n", 'dp.yaml:3:1: duplicate key "name", first given in line 2')
    check("type: Dataplane\nname: &a [*a]\n", 'alias "a" refers to a part that it is in')
    check("type: Dataplane\nname: .nan\n", '".nan" is not a usable float')
    check("type: Dataplane\nname: !!binary YQ==\n", "is not supported")
    bomb = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
    check(f"type: Dataplane\na0: &a0 [x]\n{bomb}", "aliases repeat more than 10000 values")
    check("type: Dataplane\nname: !!python/object:os.system a\n", "is not supported")
    check("type: Dataplane\nname: a\n\0", "character U+0000 is not allowed")
    check("a: " + "[" * 200_000 + "]" * 200_000, "is nested more than 64 levels deep")
    check("[" * 200_000, "is nested more than 64 levels deep")
    check("{a: " * 100_000, "is nested more than 64 levels deep")
    check("a: é\nb:\n" + "- " * 100_000, "is nested more than 64 levels deep")
    check("a: 1\n" + "#" * LARGEST_DOCUMENT, "a document may not be larger than 1024 KiB")


def test_what_cannot_be_a_name_never_becomes_part_of_a_path() -> None:
    def check(name: str, reason: str) -> None:
        assert reason in fault(f"type: Dataplane\nname: {json.dumps(name)}\n"), name

    check("../../etc", "name: '../../etc' cannot be a name")
    check("a/b", "cannot be a name")
    check("..", "cannot be a name")
    check("a..b", "cannot be a name")
    check("a\0", "cannot be a name")
    check("a" * 300, "cannot be a name")
    check("", "name: cannot be empty")
    assert "mesh: 'a/b'" in fault("type: Dataplane\nname: a\nmesh: a/b\n")
    assert "name: 7 cannot be a name" in fault("type: Dataplane\nname: 7\n")
    assert "metadata.name: cannot be empty" in fault("kind: Dataplane\nmetadata: 1\n")


def test_what_the_control_plane_refuses_has_the_line_of_the_file() -> None:
    document, _ = parse(UNIVERSAL, origin="dp.yaml")
    with pytest.raises(InvalidResource, match="Refused") as caught, naming_lines(document):
        raise InvalidResource([Violation("networking.address", "is not mine")], "Refused")
    assert [str(each) for each in caught.value.violations] == ["dp.yaml:4: networking.address: is not mine"]
