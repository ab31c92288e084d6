"""Annotations of a Pod: what they set, what is refused, and what stays known of them on the Dataplane."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshmeter.effective.findings import Finding
from meshmeter.effective.findings import finding as registered
from meshmeter.effective.origin import Layer, Origin
from meshmeter.effective.pod_annotations import LARGEST_MARK, MARK, NOTHING, PREFIX, mark, marked, read
from meshmeter.resources.metrics import PrometheusConf


def test_settings_of_the_endpoint_and_of_entries_by_name() -> None:
    found = read(
        {
            PREFIX + "port": "1234",
            PREFIX + "path": "/stats",
            PREFIX + "aggregate-b-port": "80",
            PREFIX + "aggregate-a-enabled": "no",
            PREFIX + "aggregate-a-path": "/a",
            PREFIX + "aggregate-a-address": "127.0.0.1",
            "prometheus.io/port": "99",
        }
    )
    assert found.settings == {"port": 1234, "path": "/stats"}
    assert found.entries == {"a": {"enabled": False, "path": "/a", "address": "127.0.0.1"}, "b": {"port": 80}}
    assert list(found.entries) == ["a", "b"]
    assert found.findings == () and found.refused == {}


@pytest.mark.parametrize(
    ("suffix", "name"),
    [
        ("aggregate-default-path-port", "default-path"),
        ("aggregate-my_app-port", "my_app"),
        ("aggregate-my.app-port", "my.app"),
        ("aggregate-port-port", "port"),
        ("aggregate-aggregate-x-port", "aggregate-x"),
        ("aggregate---port", "-"),
    ],
)
def test_names_of_entries(suffix: str, name: str) -> None:
    assert read({PREFIX + suffix: "1"}).entries == {name: {"port": 1}}


@pytest.mark.parametrize(
    "suffix", ["", "prot", "Port", "aggregate--port", "aggregate-app", "aggregate-a b-port"]
)
def test_an_annotation_that_does_not_exist_is_told(suffix: str) -> None:
    found = read({PREFIX + suffix: "1", PREFIX + "path": "/x"})
    (finding,) = found.findings
    assert finding.code == "pod-annotation-unknown"
    assert PREFIX + suffix in finding.message and finding.field == f"metadata.annotations[{PREFIX}{suffix}]"
    assert found.settings == {"path": "/x"} and not found.entries


BAD = [
    ("port", "80a", 'strconv.ParseUint: parsing "80a": invalid syntax', "between 1 and 65535"),
    ("port", "0", "port must be in the range [1, 65535]", "between 1 and 65535"),
    ("port", "65536", "port must be in the range [1, 65535]", "between 1 and 65535"),
    ("path", "stats", 'path must start with "/"', "begins with /"),
    ("path", "/a?b", "must not contain a query", "begins with /"),
    ("path", "/" + 4096 * "a", "value length must less or equal 4096", "begins with /"),
]


@pytest.mark.parametrize(("field", "value", "reason", "remedy"), BAD)
def test_a_bad_value_about_the_endpoint_has_no_effect_and_is_told(
    field: str, value: str, reason: str, remedy: str
) -> None:
    found = read({PREFIX + field: value, PREFIX + "aggregate-a-port": "1"})
    (finding,) = found.findings
    assert (finding.code, finding.severity) == ("pod-annotation-invalid", "warning")
    assert_told(finding, PREFIX + field, value, reason, remedy)
    assert found.settings == {} and found.entries == {"a": {"port": 1}} and not found.refused


@pytest.mark.parametrize(
    ("field", "value", "reason", "remedy"),
    [
        *BAD,
        ("enabled", "True", 'has wrong value "True"', '"true" or "false"'),
        ("address", "http://x", "valid IP address or domain name", "IP address"),
        ("address", "", "valid IP address or domain name", "IP address"),
    ],
)
def test_a_bad_value_about_an_entry_refuses_that_entry_alone(
    field: str, value: str, reason: str, remedy: str
) -> None:
    key = f"{PREFIX}aggregate-a-{field}"
    found = read({key: value, PREFIX + "aggregate-b-port": "1", PREFIX + "port": "2"})
    (finding,) = found.findings
    assert (finding.code, finding.severity, finding.scope) == (
        "pod-annotation-entry-invalid",
        "refused",
        "source",
    )
    assert_told(finding, key, value, reason, remedy)
    assert found.refused == {"a": finding}
    assert found.entries == {"a": {}, "b": {"port": 1}} and found.settings == {"port": 2}


def assert_told(finding: Finding, key: str, value: str, reason: str, remedy: str) -> None:
    assert (
        f'"{key}"' in finding.message and f'"{value[:256]}' in finding.message and reason in finding.message
    )
    assert remedy in finding.remedy
    assert finding.field == f"metadata.annotations[{key}]"


def test_a_long_value_is_told_in_short() -> None:
    (finding,) = read({PREFIX + "port": "x" * 200_000}).findings
    assert len(finding.message) < 700


keys = st.one_of(
    st.sampled_from(["port", "path", "aggregate-a-port", "aggregate-a-path", "aggregate-a-enabled"]),
    st.builds("aggregate-{}-{}".format, st.text(), st.sampled_from(["port", "path", "enabled", "address"])),
    st.text(),
)
values = st.one_of(
    st.text(),
    st.text(st.characters()),
    st.sampled_from(["80", "/x", "true", "127.0.0.1", "9" * 5000, "/" + "a" * 5000]),
)
pods = st.dictionaries(keys.map(PREFIX.__add__), values, max_size=8)


@given(pods)
def test_nothing_that_a_pod_says_raises_and_each_annotation_is_taken_or_told(
    annotations: dict[str, str],
) -> None:
    found = read(annotations)
    taken = len(found.settings) + sum(map(len, found.entries.values()))
    assert taken + len(found.findings) == len(annotations)
    assert all(finding.message.isprintable() for finding in found.findings)


@given(pods)
def test_the_mark_says_again_what_the_pod_said(annotations: dict[str, str]) -> None:
    again, first = marked(mark(annotations)), read(annotations)
    assert (again.settings, again.entries) == (first.settings, first.entries)
    assert [f.code for f in again.findings] == [f.code for f in first.findings]
    assert set(again.refused) == set(first.refused)


def test_the_mark_is_short_and_has_only_what_is_about_metrics() -> None:
    (text,) = mark({PREFIX + "port": "1234", PREFIX + "path": "x" * 9999, "other.io/port": "1"}).values()
    assert json.loads(text) == {"path": "x" * 4097, "port": "1234"}


def test_without_annotations_there_is_no_mark() -> None:
    assert mark({"other.io/port": "1"}) == {}
    assert marked({}) is NOTHING


def test_what_is_too_much_for_a_mark_leaves_none() -> None:
    annotations = {f"{PREFIX}aggregate-{n}-path": "/" + "a" * 4000 for n in range(40)}
    assert sum(map(len, annotations.values())) > LARGEST_MARK
    assert mark(annotations) == {}
    assert len(read(annotations).entries) == 40


@pytest.mark.parametrize("text", ["", "{", "[]", "1", '{"port": 80}', "[" * 100_000, '{"port": {"a": "b"}}'])
def test_a_damaged_mark_says_nothing(text: str) -> None:
    found = marked({MARK: text})
    assert (found.settings, found.entries, found.findings) == ({}, {}, ())


def test_fields_that_say_what_the_annotation_says_come_from_it() -> None:
    found = read(
        {
            PREFIX + "port": "1",
            PREFIX + "path": "/p",
            PREFIX + "aggregate-a-port": "2",
            PREFIX + "aggregate-b-port": "3",
        }
    )
    conf = PrometheusConf.model_validate(
        {
            "port": 1,
            "path": "/other",
            "aggregate": [{"name": "x", "port": 9}, {"name": "a", "port": 2}, {"name": "b", "port": 4}],
        }
    )
    assert found.origins(conf, "shop/web-1") == {
        "port": Origin(Layer.ANNOTATION, "Pod shop/web-1", f"metadata.annotations[{PREFIX}port]"),
        "aggregate[1].port": Origin(
            Layer.ANNOTATION, "Pod shop/web-1", f"metadata.annotations[{PREFIX}aggregate-a-port]"
        ),
    }


def test_a_missing_port_of_an_annotated_entry_is_told_to_whom_writes_annotations() -> None:
    found = read({PREFIX + "aggregate-a-path": "/p"})
    missing = registered("aggregate-port-missing", "aggregate entry 'a' has no port", field="metrics.conf")
    told = found.told("a", missing)
    assert told is not None and told.field == f"metadata.annotations[{PREFIX}aggregate-a-port]"
    assert f"{PREFIX}aggregate-a-port" in told.remedy and told.message.startswith(missing.message)
    assert found.told("of-the-mesh", missing) is missing
    other = registered("aggregate-is-admin-port", "x")
    assert found.told("a", other) is other and found.told("a", None) is None
