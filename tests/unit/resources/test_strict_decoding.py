from __future__ import annotations

from typing import Annotated, Any, ClassVar

import pytest

from meshmeter.resources.base import Lines, Model, Port
from meshmeter.resources.faults import Faults
from meshmeter.resources.metrics import TlsMode
from meshmeter.resources.strict_decoding import conform, show


class Inner(Model):
    port: Port | None = None
    mode: TlsMode | None = None


class Conf(Model):
    opaque: ClassVar[bool] = True

    path: str | None = None
    inner: Inner | None = None


class Example(Model):
    name: str | None = None
    text: Annotated[str, Lines(5000)] | None = None
    port: Port | None = None
    enabled: bool | None = None
    words: tuple[str, ...] | None = None
    tags: dict[str, str] | None = None
    kept: dict[str, Any] | None = None
    listed: tuple[dict[str, Any], ...] | None = None
    inner: tuple[Inner, ...] | None = None
    conf: Conf | None = None


def read(data: object, **options: Any) -> tuple[dict[str, Any], list[str]]:
    faults = Faults()
    value = conform(Example, data, "", faults, **options)
    Example.model_validate(value)
    return value, [str(violation) for violation in faults.violations]


def faults_of(data: object) -> list[str]:
    return read(data)[1]


def test_what_fits_is_taken_as_it_is() -> None:
    document = {
        "name": "a",
        "text": "several\nlines\t" + "x" * 4900,
        "port": 80,
        "enabled": False,
        "words": ["x"],
        "tags": {"a": "b"},
        "kept": {"x": [1, 2.5, True, "y", {"z": None}]},
        "inner": [{"port": 1, "mode": "disabled"}, {}],
        "conf": {"path": "/"},
    }

    assert read(document) == (document | {"kept": {"x": [1, 2.5, True, "y", {}]}}, [])


def test_null_is_absent_but_an_empty_text_in_a_map_of_strings() -> None:
    assert read({"name": None, "conf": None, "kept": {"a": None}, "tags": {"a": None}}) == (
        {"kept": {}, "tags": {"a": ""}},
        [],
    )


@pytest.mark.parametrize("port", [8080, "8080", 8080.0])
def test_a_port_may_be_written_in_several_ways(port: object) -> None:
    assert read({"port": port}) == ({"port": 8080}, [])


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({"port": "80`"}, 'port: must be a whole number, got "80`"'),
        ({"port": True}, "port: must be a whole number, got true"),
        ({"port": 80.5}, "port: must be a whole number, got 80.5"),
        ({"port": 10**400}, "port: must be a whole number, got a very large number"),
        ({"port": float("inf")}, "port: must be a whole number, got inf"),
        ({"enabled": "yes"}, 'enabled: must be true or false, got "yes"'),
        ({"enabled": 1}, "enabled: must be true or false, got 1"),
        ({"name": 1}, "name: must be a string, got 1: write it in quotes"),
        ({"name": ["a"]}, "name: must be a string, got a list"),
        ({"text": "a\x00b"}, "text: must not contain control characters"),
        ({"text": "\ud800"}, "text: must not contain control characters"),
        ({"text": "x" * 5001}, "text: value length must less or equal 5000"),
        ({"text": {}}, "text: must be a string, got a mapping"),
        ({"name": "a\x00b"}, "name: must not contain control characters"),
        ({"name": "a\nb"}, "name: must not contain control characters"),
        ({"name": "\ud800"}, "name: must not contain control characters"),
        ({"name": "x" * 4097}, "name: value length must less or equal 4096"),
        ({"words": "x"}, 'words: must be a list, got "x"'),
        ({"words": ["x", 1]}, "words[1]: must be a string, got 1: write it in quotes"),
        ({"tags": {"a": 1}}, 'tags["a"]: must be a string, got 1: write it in quotes'),
        ({"tags": {1: "a"}}, "tags: keys must be strings, got 1: write it in quotes"),
        ({"tags": {"a\n": "b"}}, 'tags["a\\n"]: must not contain control characters'),
        ({"tags": []}, "tags: must be a mapping of strings, got a list"),
        ({"kept": "x"}, 'kept: must be a mapping, got "x"'),
        ({"kept": {"a": [{"b": object()}]}}, "kept.a[0].b: must be plain JSON, got a object"),
        ({"kept": {"a": float("nan")}}, "kept.a: must be plain JSON, got nan"),
        ({"kept": {"a": "\x00"}}, "kept.a: must not contain control characters"),
        ({"inner": [None]}, "inner[0]: must be a mapping, got null"),
        ({"listed": [{}, None]}, "listed[1]: must be a mapping, got null"),
        ({"listed": [[]]}, "listed[0]: must be a mapping, got a list"),
        (
            {"inner": [{"mode": "providdTLS"}]},
            'inner[0].mode: unknown value "providdTLS", must be one of "activeMTLSBackend", "providedTLS",'
            ' "disabled", did you mean "providedTLS"?',
        ),
        ({1: 2}, "names of fields must be strings, got 1"),
        ([], "must be a mapping, got a list"),
    ],
)
def test_a_fault_names_place_and_value(document: object, fault: str) -> None:
    assert faults_of(document) == [fault]


def test_every_fault_is_named_at_once() -> None:
    found = faults_of({"port": "x", "inner": [{"port": "y"}, {"prt": 1}], "nam": 1})

    assert [fault.partition(":")[0] for fault in found] == ["port", "inner[0].port", "inner[1].prt", "nam"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nmae", 'unknown field, did you mean "name"?'),
        ("Enabled", 'unknown field, did you mean "enabled"?'),
        ("en_abled", 'unknown field, did you mean "enabled"?'),
        ("zzz", "unknown field"),
    ],
)
def test_an_unknown_field_gets_a_suggestion(name: str, reason: str) -> None:
    assert faults_of({name: 1}) == [f"{name}: {reason}"]


def test_an_unknown_field_may_be_meant_for_the_envelope() -> None:
    assert read({"typ": 1}, also_known=("type",))[1] == ['typ: unknown field, did you mean "type"?']


def test_unknown_fields_of_a_newer_version_can_be_left_out() -> None:
    assert read({"name": "a", "new": 1, "inner": [{"new": 1}]}, ignore_unknown=True) == (
        {"name": "a", "inner": [{}]},
        [],
    )


def test_a_wrong_type_in_an_opaque_message_is_reported_at_the_message() -> None:
    assert faults_of({"conf": {"inner": {"port": "x"}, "path": 1}}) == [
        'conf: could not parse config: inner.port: must be a whole number, got "x"',
        "conf: could not parse config: path: must be a string, got 1: write it in quotes",
    ]
    assert faults_of({"conf": "x"}) == ['conf: could not parse config: must be a mapping, got "x"']
    assert faults_of({"conf": {"pth": 1}}) == ['conf.pth: unknown field, did you mean "path"?']


def test_what_is_kept_may_not_be_nested_without_end() -> None:
    deep: dict[str, Any] = {}
    for _ in range(1000):
        deep = {"a": deep}

    (fault,) = faults_of({"kept": deep})

    assert "must not be nested more than 64 levels deep" in fault


def test_text_that_is_kept_may_have_several_lines() -> None:
    assert read({"kept": {"pem": "a\n\tb\r\n"}}) == ({"kept": {"pem": "a\n\tb\r\n"}}, [])


def test_a_long_value_is_cut_where_it_is_shown() -> None:
    assert show("x" * 100) == '"' + "x" * 40 + '..."'
