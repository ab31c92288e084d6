from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshmeter.errors import InvalidResource, Violation
from meshmeter.resources.yaml_documents import LARGEST_DOCUMENT, parse_documents, read_documents


def contents(text: str | bytes) -> list[tuple[int, object]]:
    return [(document.line, document.data) for document in parse_documents(text, origin="f.yaml")]


def faults(text: str | bytes) -> list[str]:
    return [str(violation) for violation in read_documents(text, origin="f.yaml").faults]


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ("a: 1", [(1, {"a": 1})]),
        ("a: 1\n---\nb: 2\n", [(1, {"a": 1}), (3, {"b": 2})]),
        ("---\n# first\na: 1\n--- # second\n\nb: 2\n...\n", [(3, {"a": 1}), (6, {"b": 2})]),
        ("a: 1\n...\nb: 2", [(1, {"a": 1}), (3, {"b": 2})]),
        ("--- {a: 1}\n--- {b: 2}", [(1, {"a": 1}), (2, {"b": 2})]),
        ("%YAML 1.1\n---\na: 1", [(3, {"a": 1})]),
        ("a: 1\r\n---\r\nb: 2\r\n", [(1, {"a": 1}), (3, {"b": 2})]),
        ("a: |\n  x\n  ---\n  y\n", [(1, {"a": "x\n---\ny\n"})]),
        ("\ufeffa: 1", [(1, {"a": 1})]),
        ('{"a": 1}', [(1, {"a": 1})]),
        ('{\n\t"a": "\\ud83d\\ude00\\/"\n}', [(1, {"a": "\U0001f600/"})]),
        ("", []),
        ("# nothing\n---\n\n---\n", []),
        (b"a: \xc3\xa9", [(1, {"a": "\u00e9"})]),
    ],
)
def test_documents_with_their_lines(text: str | bytes, documents: list[tuple[int, object]]) -> None:
    assert contents(text) == documents


def test_every_faulty_document_is_named_and_the_others_are_read() -> None:
    text = "a: [\n---\nb: 1\n---\n- 1\n---\nc: 1\nc: 2\n---\nd"

    parsed = read_documents(text, origin="f.yaml")

    assert [document.data for document in parsed.documents] == [{"b": 1}]
    assert [violation.field for violation in parsed.faults] == [
        "f.yaml:2:1",
        "f.yaml:5",
        "f.yaml:8:1",
        "f.yaml:10",
    ]
    assert parsed.documents[0].index == 1


def test_faults_refuse_the_whole_text() -> None:
    with pytest.raises(InvalidResource, match="cannot be read") as refused:
        parse_documents("a: 1\n---\n42", origin="f.yaml")

    reason = "a document must be a mapping with type, name and so on, not a single value"
    assert refused.value.violations == (Violation("f.yaml:3", reason),)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\nb: x\x00y", "f.yaml:2:5: character U+0000 is not allowed"),
        ("a: \x1b[31m", "f.yaml:1:4: character U+001B is not allowed"),
        ("a: \ud800", "f.yaml:1:4: character U+D800 is not allowed"),
        (b"a: 1\nb: \xff", "f.yaml:2: is not text in UTF-8"),
        ("a: 1\n---\n# x\n\nb: 1\nb: 2", 'f.yaml:6:1: duplicate key "b", first given in line 5'),
        ('{"a": "\\/", "b": 1, "b": 2}', "duplicate key"),
        ("x" * (LARGEST_DOCUMENT + 1), "f.yaml:1: a document may not be larger than 1024 KiB"),
        ('{"a": NaN, "b": "\\ud83d\\ude00"}', "is not valid YAML"),
        ('{"a": "\\ud83d", "b": ' + "[" * 100_000, "is not valid YAML"),
    ],
)
def test_what_is_refused(text: str | bytes, fault: str) -> None:
    assert fault in "\n".join(faults(text))


def test_ten_thousand_documents() -> None:
    text = "---\n".join(f"type: Mesh\nname: mesh-{number}\n" for number in range(10_000))

    documents = parse_documents(text, origin="f.yaml")

    assert (len(documents), documents[-1].index) == (10_000, 9_999)
    assert documents[-1].data["name"] == "mesh-9999"
    assert documents[-1].line == 29_998


unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Other work on the machine must not fail a test."""


@unhurried
@given(st.one_of(st.text(), st.binary(), st.text(alphabet="-.: \n\t#%&*!|>'\"[]{}a1,?\\<=~\r\x85")))
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    read_documents(text, origin="f.yaml")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@unhurried
@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_json_is_read_as_it_is(value: dict[str, object]) -> None:
    (document,) = parse_documents(json.dumps(value), origin="f.json")

    assert document.data == value
