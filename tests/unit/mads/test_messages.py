"""The JSON of requests and answers."""

from __future__ import annotations

import json

import pytest

from meshmeter.effective.metrics import effective_metrics
from meshmeter.mads.assignments import TYPE_URL, build_assignment, build_snapshot
from meshmeter.mads.messages import DiscoveryRequest, parse_request, response_body
from support.resources import dataplane, metered


@pytest.mark.parametrize(
    ("body", "version"),
    [
        (b"{}", ""),
        (b'{"version_info": "v1"}', "v1"),
        (b'{"versionInfo": "v1"}', "v1"),
        (b'{"version_info": null, "node": {"id": "prometheus"}, "brand_new": [1]}', ""),
    ],
)
def test_requests(body: bytes, version: str) -> None:
    assert parse_request(body) == DiscoveryRequest(version)


def test_names_of_resources() -> None:
    assert parse_request(b'{"resource_names": ["a", "a"]}').resource_names == frozenset({"a"})
    assert parse_request(b'{"resourceNames": []}').resource_names is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{not json",
        b"[]",
        b'"text"',
        b'{"version_info": 1}',
        b'{"resource_names": "a"}',
        b'{"resource_names": [1]}',
        b"\xff\xfe{}",
        b"[" * 100_000,
    ],
)
def test_no_request(body: bytes) -> None:
    with pytest.raises(ValueError):
        parse_request(body)


def test_the_answer_is_one_json_object() -> None:
    built = []
    for name in ("a", "b"):
        subject = dataplane(name)
        assignment = build_assignment(subject, effective_metrics(metered(), subject))
        assert assignment is not None
        built.append(assignment)
    snapshot = build_snapshot(built)
    assert json.loads(response_body(snapshot)) == {
        "type_url": TYPE_URL,
        "version_info": snapshot.version,
        "resources": [assignment.to_json() for assignment in snapshot.assignments],
    }


def test_without_resources_there_is_no_such_field() -> None:
    snapshot = build_snapshot([])
    assert json.loads(response_body(snapshot)) == {"type_url": TYPE_URL, "version_info": snapshot.version}
