from __future__ import annotations

import pytest

from meshmeter.resources.yaml_values import Fault, read_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1", {"a": 1}),
        ("a: [1, 2.5, true, no, ~, 'x']", {"a": [1, 2.5, True, False, None, "x"]}),
        ("a: 2024-01-01", {"a": "2024-01-01"}),
        ("a: =", {"a": "="}),
        ("a: 0x10", {"a": 16}),
        ('a: !!str 1\n"on": b', {"a": "1", "on": "b"}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("a: &x {p: 1, q: 1}\nb:\n  <<: *x\n  q: 2", {"a": {"p": 1, "q": 1}, "b": {"p": 1, "q": 2}}),
        ("", None),
        ("# nothing", None),
    ],
)
def test_plain_values(text: str, value: object) -> None:
    found, faults = read_value(text)

    assert (found, faults) == (value, [])


def test_of_merged_mappings_the_first_wins() -> None:
    value, _ = read_value("x: &x {p: 1}\ny: &y {p: 2, q: 2}\nb:\n  <<: [*x, *y]")

    assert value["b"] == {"p": 1, "q": 2}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\nb: 2\na: 3", Fault(3, 1, 'duplicate key "a", first given in line 1')),
        ("a:\n  1: 2", Fault(2, 3, "keys must be strings: write this one in quotes")),
        ("[a]: b", Fault(1, 1, "keys must be strings: write this one in quotes")),
        (
            "a: !!python/name:os.system x",
            Fault(1, 4, 'tag "tag:yaml.org,2002:python/name:os.system" is not supported'),
        ),
        ("a: !mine {}", Fault(1, 4, 'tag "!mine" is not supported')),
        ("a: !!binary aGk=", Fault(1, 4, 'tag "tag:yaml.org,2002:binary" is not supported')),
        ("a: !!int x", Fault(1, 4, '"x" is not a usable int')),
        ("a: !!bool x", Fault(1, 4, '"x" is not a usable bool')),
        ('a: !!int ""', Fault(1, 4, '"" is not a usable int')),
        ("a: .nan", Fault(1, 4, '".nan" is not a usable float')),
        ("a: .inf", Fault(1, 4, '".inf" is not a usable float')),
        ("a: 0x" + "f" * 100, Fault(1, 4, f'"0x{"f" * 38}" is not a usable int')),
        ("a: *x", Fault(1, 4, 'alias "x" refers to nothing')),
        ("a: &x {b: *x}", Fault(1, 11, 'alias "x" refers to a part that it is in')),
        ("a:\n  <<: 1", Fault(2, 7, "<< must refer to a mapping, or a list of mappings")),
        ("a: [" + "[" * 100, Fault(1, 68, "is nested more than 64 levels deep")),
    ],
)
def test_what_is_refused(text: str, fault: Fault) -> None:
    assert read_value(text)[1] == [fault]


@pytest.mark.parametrize(
    "text", ["[" * 200_000, "a: é\nb: " + "[" * 200_000, "{a: " * 100_000, "- " * 100_000]
)
def test_our_own_limit_of_nesting_is_met_before_any_of_the_scanner(text: str) -> None:
    (fault,) = read_value(text)[1]

    assert fault.reason == "is nested more than 64 levels deep"


@pytest.mark.parametrize(
    "text", ["a: [1, 2", "a: `80`", "a:\n\tb: 1", "a: b: c", '"\\ud800"', "%YAML 9\n---\na"]
)
def test_what_is_not_yaml_is_refused_with_line_and_column(text: str) -> None:
    value, (fault,) = read_value(text)

    assert value is None
    assert fault.reason.startswith("is not valid YAML: ")
    assert fault.line >= 1
    assert fault.column >= 1


def test_only_one_document_is_read() -> None:
    assert read_value("a\n---\nb")[1] == [Fault(2, 1, "more follows after the end of the document")]


def test_aliases_cannot_multiply() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join(['*' + below] * 10)}]\n"
        for below, name in zip("abcdefgh", "bcdefghi", strict=True)
    )

    (fault,) = read_value(bomb)[1]

    assert "aliases repeat more than 10000 values" in fault.reason


def test_every_duplicate_key_is_named_but_not_without_end() -> None:
    assert len(read_value("a: 1\n" * 4)[1]) == 3
    assert len(read_value("a: 1\n" * 1000)[1]) == 100


def test_lines_are_those_of_the_file() -> None:
    assert read_value("a: 1\na: 2", first_line=10)[1] == [
        Fault(11, 1, 'duplicate key "a", first given in line 10')
    ]
