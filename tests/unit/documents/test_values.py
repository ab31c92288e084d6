from __future__ import annotations

import pytest

from meshmeter.documents.values import Fault, Reading, read_value


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
    assert read_value(text) == Reading(value)


def test_of_merged_mappings_the_first_wins() -> None:
    value = read_value("x: &x {p: 1}\ny: &y {p: 2, q: 2}\nb:\n  <<: [*x, *y]").value

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
    assert read_value(text).faults == (fault,)


@pytest.mark.parametrize(
    "text", ["[" * 200_000, "a: é\nb: " + "[" * 200_000, "{a: " * 100_000, "- " * 100_000]
)
def test_our_own_limit_of_nesting_is_met_before_any_of_the_scanner(text: str) -> None:
    (fault,) = read_value(text).faults

    assert fault.reason == "is nested more than 64 levels deep"


@pytest.mark.parametrize(
    "text", ["a: [1, 2", "a: `80`", "a:\n\tb: 1", "a: b: c", '"\\ud800"', "%YAML 9\n---\na"]
)
def test_what_is_not_yaml_is_refused_with_line_and_column(text: str) -> None:
    reading = read_value(text)
    (fault,) = reading.faults

    assert reading.value is None
    assert fault.reason.startswith("is not valid YAML: ")
    assert fault.line >= 1
    assert fault.column >= 1


def test_only_one_document_is_read() -> None:
    assert read_value("a\n---\nb").faults == (Fault(2, 1, "more follows after the end of the document"),)


def test_aliases_cannot_multiply() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join(['*' + below] * 10)}]\n"
        for below, name in zip("abcdefgh", "bcdefghi", strict=True)
    )

    (fault,) = read_value(bomb).faults

    assert "aliases repeat more than 10000 values" in fault.reason


def test_every_duplicate_key_is_named_but_not_without_end() -> None:
    assert len(read_value("a: 1\n" * 4).faults) == 3
    assert len(read_value("a: 1\n" * 1000).faults) == 100


def test_lines_are_those_of_the_file() -> None:
    assert read_value("a: 1\na: 2", first_line=10).faults == (
        Fault(11, 1, 'duplicate key "a", first given in line 10'),
    )


@pytest.mark.parametrize("number", ["1:34:30", "-1:30", "1:30.5", "22:22"])
def test_numbers_of_base_60_are_refused(number: str) -> None:
    (fault,) = read_value(f"port: {number}").faults

    assert fault == Fault(
        1, 7, f'"{number}" is a number of base 60 in old YAML: write it in quotes, or in decimal'
    )
    assert read_value(f"port: '{number}'\nmac: aa:bb").value == {"port": number, "mac": "aa:bb"}


def test_leading_zeros_are_warned_of() -> None:
    reading = read_value("a: 05670\nb: 0899\nc: '05'\nd: [0, 10, 0.5, 0x10]\ne: !!str 07", first_line=3)

    assert reading.value == {"a": 3000, "b": "0899", "c": "05", "d": [0, 10, 0.5, 16], "e": "07"}
    assert reading.faults == ()
    assert reading.warnings == (
        Fault(3, 4, "05670 has a leading zero and is read as octal, 3000: write 3000, or put it in quotes"),
        Fault(4, 4, "0899 has a leading zero and is read as text: put it in quotes, or leave out the zero"),
    )
