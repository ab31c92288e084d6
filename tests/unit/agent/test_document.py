from __future__ import annotations

import json

import pytest

from meshmeter.agent.document import MAX_BYTES, identity, parse
from meshmeter.errors import InvalidResource

UNIVERSAL = "type: Dataplane\nmesh: shop\nname: web-1\nnetworking: {address: 10.0.0.1}\n"
KUBERNETES = "kind: Dataplane\napiVersion: kuma.io/v1alpha1\nmesh: shop\nmetadata: {name: web-1}\nspec: {}\n"


def fault(text: str) -> str:
    with pytest.raises(InvalidResource) as caught:
        identity(parse(text))
    return "; ".join(map(str, caught.value.violations))


def test_both_envelopes_are_read() -> None:
    assert parse(UNIVERSAL)["networking"] == {"address": "10.0.0.1"}
    assert identity(parse(UNIVERSAL)) == ("shop", "web-1")
    assert identity(parse(KUBERNETES)) == ("shop", "web-1")
    assert identity(parse("---\ntype: Dataplane\nname: a\n---\n")) == ("default", "a")
    assert identity(parse('{"type": "Dataplane", "name": "a"}')) == ("default", "a")


def test_everything_in_it_can_travel_as_json() -> None:
    document = parse("type: Dataplane\nname: a\ntags: {version: 2026-01-31, at: 2026-01-31T10:00:00Z}\n")
    assert json.loads(json.dumps(document))["tags"] == {"version": "2026-01-31", "at": "2026-01-31T10:00:00Z"}


def test_a_part_may_be_repeated() -> None:
    document = parse("type: Dataplane\nname: a\nx: &t {a: b}\ny: *t\nz: {<<: *t, c: d}\n")
    assert document["y"] == {"a": "b"}
    assert document["z"] == {"a": "b", "c": "d"}


def test_what_is_no_dataplane_is_refused_with_the_reason() -> None:
    def check(text: str, reason: str) -> None:
        found = fault(text)
        assert reason in found, text[:80]
        assert len(found) < 400

    check("", "one Dataplane is expected, not 0 documents")
    check(UNIVERSAL + "---\n" + UNIVERSAL, "one Dataplane is expected, not 2 documents")
    check("- a\n", "a Dataplane is expected, which is a mapping")
    check("type: Mesh\nname: a\n", "type: must be \"Dataplane\", not 'Mesh'")
    check("kind: Pod\n", "kind: must be \"Dataplane\", not 'Pod'")
    check("name: a\n", 'type: must be "Dataplane", not None')
    check("type: Dataplane\n  name: a\n", "line 2, column 7: mapping values are not allowed")
    check("type: Dataplane\nname: a\nname: b\n", "line 3, column 1: the key 'name' is there twice")
    check("type: Dataplane\nname: &a [*a]\n", "it cannot be written as JSON: Circular reference")
    check("type: Dataplane\nname: .nan\n", "it cannot be written as JSON: Out of range")
    check("type: Dataplane\nname: !!binary YQ==\n", "it cannot be written as JSON: ")
    bomb = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
    check(f"type: Dataplane\na0: &a0 [x]\n{bomb}", "more than 20 aliases")
    check("type: Dataplane\nname: !!python/object:os.system a\n", "could not determine a constructor")
    check("type: Dataplane\nname: a\n\0", "not YAML")
    check("a: " + "[" * 200_000 + "]" * 200_000, "more than 64 levels of nesting")
    check("[" * 200_000, "more than 64 levels of nesting")
    check("{a: " * 100_000, "more than 64 levels of nesting")
    check("a: é\nb:\n" + "- " * 100_000, "more than 64 levels of nesting")
    check("#" * (MAX_BYTES + 1), "larger than 1 MiB")


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
