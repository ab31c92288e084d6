from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshmeter.documents.reader import LARGEST_DOCUMENT, parse_documents, read_documents
from meshmeter.errors import InvalidResource, Violation


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
        ("a: " + "x" * LARGEST_DOCUMENT, "f.yaml:1: a document may not be larger than 1024 KiB"),
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


def documents(text: str | bytes) -> list[tuple[str, object]]:
    return [(document.path, document.data) for document in parse_documents(text, origin="f.yaml")]


MESH = {"kind": "Mesh", "metadata": {"name": "m"}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kind: List\napiVersion: v1\nitems: [{kind: Mesh}]", [("items[0]", {"kind": "Mesh"})]),
        ("items: [{a: 1}, {b: 2}]\ntotal: 2\nnext: null", [("items[0]", {"a": 1}), ("items[1]", {"b": 2})]),
        ('[{"a": 1}, [{"b": 2}]]', [("[0]", {"a": 1}), ("[1][0]", {"b": 2})]),
        ("- a: 1\n- items: [{b: 2}]", [("[0]", {"a": 1}), ("[1].items[0]", {"b": 2})]),
        ("kind: List\nitems: []", []),
        ("kind: DataplaneList\nitems: null", []),
        (
            "kind: MeshList\napiVersion: kuma.io/v1alpha1\nitems: [{metadata: {name: m}}, {kind: X}]",
            [
                ("items[0]", {"apiVersion": "kuma.io/v1alpha1", **MESH}),
                ("items[1]", {"kind": "X"}),
            ],
        ),
        ("type: Mesh\nitems: []", [("", {"type": "Mesh", "items": []})]),
        ("name: m\nitems: []", [("", {"name": "m", "items": []})]),
        ("kind: List\nitems: 1", [("", {"kind": "List", "items": 1})]),
    ],
)
def test_a_list_of_documents_is_as_many_documents(text: str, expected: list[tuple[str, object]]) -> None:
    assert documents(text) == expected


def test_the_documents_of_a_list_have_numbers_and_lines() -> None:
    text = "a: 1\n---\ntotal: 2\nitems:\n- b: 1\n  c: {d: 2}\n- 7\n- e: 1\n"
    parsed = read_documents(text, origin="f.yaml")

    assert [(d.index, d.line, d.line_of("c.d")) for d in parsed.documents] == [
        (0, 1, 1),
        (1, 5, 6),
        (3, 8, 8),
    ]
    assert [str(fault) for fault in parsed.faults] == [
        "f.yaml:7: a document must be a mapping with type, name and so on, not a single value"
    ]


def test_a_page_of_a_list_that_goes_on_is_warned_of() -> None:
    text = "items: [{a: 1}]\ntotal: 2\nnext: http://cp/meshes?offset=1"

    (warning,) = read_documents(text, origin="f.yaml").warnings
    assert str(warning) == "f.yaml:3: this is one page of a list that goes on at `next`: get all of it"


def test_a_list_may_be_larger_than_a_document() -> None:
    item = {"a": "x" * 1000}
    text = json.dumps({"items": [item] * 1200, "total": 1200, "next": None})
    assert len(text) > LARGEST_DOCUMENT
    assert len(parse_documents(text, origin="f.json")) == 1200

    large = json.dumps([item, {"a": "x" * LARGEST_DOCUMENT}])
    assert faults(large) == ["f.yaml:1: a document may not be larger than 1024 KiB"]
    assert faults("#" * ((64 << 20) + 1)) == ["f.yaml: may not be larger than 64 MiB"]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-8"])
def test_text_with_a_byte_order_mark(codec: str) -> None:
    text = "\ufeffa: é\r\n---\r\nb: \U0001f600\r\n"

    assert contents(text.encode(codec)) == [(1, {"a": "é"}), (3, {"b": "\U0001f600"})]


def test_files_that_were_joined_keep_their_byte_order_marks() -> None:
    assert contents("\ufeff---\na: 1\n\ufeff---\nb: 2\n---\n\ufeffc: 3\n---\n\ufeff# d\nd: 4") == [
        (2, {"a": 1}),
        (4, {"b": 2}),
        (6, {"c": 3}),
        (9, {"d": 4}),
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("\ufeffa: 1".encode("utf-32-le"), "f.yaml: is text in UTF-32, which is not read: save it as UTF-8"),
        ("\ufeffa: 1".encode("utf-32-be"), "f.yaml: is text in UTF-32, which is not read: save it as UTF-8"),
        ("a: 1".encode("utf-16-le"), "f.yaml: is not text, or text in UTF-16 or UTF-32 without a byte order"),
        (b"\xff\xfea\0\n\0b", "f.yaml:2: is not text in UTF-16"),
    ],
)
def test_other_encodings_are_named(text: bytes, fault: str) -> None:
    assert faults(text)[0].startswith(fault)


@pytest.mark.parametrize(
    ("text", "value"),
    [('{"a": 1e3}', 1000.0), ('{"a": "\\/"}', "/"), ("{a: 1}", 1), ('{"a": 1, }', 1)],
)
def test_json_is_json_and_the_rest_is_yaml(text: str, value: object) -> None:
    assert contents(text) == [(1, {"a": value})]


@pytest.mark.parametrize("text", ['{"a": 1e999}', '{"a": ' + "[" * 70 + "]" * 70 + "}", '{"a": Infinity}'])
def test_json_has_the_limits_of_yaml(text: str) -> None:
    parsed = read_documents(text, origin="f.yaml")

    assert parsed.faults or parsed.documents[0].data in ({"a": "1e999"}, {"a": "Infinity"})


unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Other work on the machine must not fail a test."""


@unhurried
@given(
    st.one_of(
        st.text(),
        st.binary(),
        st.binary().map(lambda content: b"\xff\xfe" + content),
        st.text(alphabet="-.: \n\t#%&*!|>'\"[]{}a1,?\\<=~\r\x85"),
    )
)
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
