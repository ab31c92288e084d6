"""What an aggregate entry may say."""

from __future__ import annotations

from typing import Any

import pytest

from meshmeter.resources.metrics import AggregateEntry
from meshmeter.resources.validation.aggregate import aggregate_violations


def faults(*entries: dict[str, Any]) -> list[str]:
    models = tuple(AggregateEntry.model_validate(entry) for entry in entries)
    return [str(fault) for fault in aggregate_violations(models, "aggregate")]


def test_an_entry_with_everything() -> None:
    entry = {
        "name": "app",
        "port": 8443,
        "path": "/metrics",
        "address": "127.0.0.1",
        "scheme": "https",
        "tls": {"caFile": "/etc/app/ca.pem", "serverName": "app.example"},
        "bearerTokenFile": "/etc/app/token",
        "params": {"module": "http"},
        "timeout": "500ms",
        "limits": {"bodyBytes": 1024, "samples": 10, "labels": 5, "labelNameBytes": 9, "labelValueBytes": 9},
    }
    assert faults(entry, {"name": "other", "unixSocket": "/run/app.sock"}) == []


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"port": 0}, "aggregate[0].port: port must be in the range [1, 65535]"),
        ({"path": "metrics"}, "aggregate[0].path: "),
        ({"address": "a b"}, "aggregate[0].address: address has to be valid IP address or domain name"),
        ({"tls": {"caFile": "ca.pem"}}, "aggregate[0].tls.caFile: must be an absolute path"),
        ({"bearerTokenFile": "token"}, "aggregate[0].bearerTokenFile: must be an absolute path"),
        ({"basicAuthFile": ""}, "aggregate[0].basicAuthFile: must be an absolute path"),
        ({"unixSocket": "app.sock"}, "aggregate[0].unixSocket: must be an absolute path"),
        ({"unixSocket": "/" + "a" * 107}, "aggregate[0].unixSocket: a unix socket's path has at most 107"),
        (
            {"tls": {"caFile": "/ca", "insecureSkipVerify": True}},
            "aggregate[0].tls: caFile and insecureSkipVerify cannot",
        ),
        ({"tls": {"serverName": "a b"}}, "aggregate[0].tls.serverName: "),
        (
            {"bearerTokenFile": "/a", "basicAuthFile": "/b"},
            "aggregate[0]: bearerTokenFile and basicAuthFile cannot",
        ),
        ({"timeout": "soon"}, "aggregate[0].timeout: must be a duration"),
        ({"timeout": "0s"}, "aggregate[0].timeout: must be a duration above zero"),
        ({"params": {"": "x"}}, "aggregate[0].params: "),
        ({"limits": {"samples": -1}}, "aggregate[0].limits.samples: must be above zero"),
        ({"limits": {"labels": 0}}, "aggregate[0].limits.labels: must be above zero"),
        ({"limits": {"bodyBytes": 1 << 40}}, "aggregate[0].limits.bodyBytes: must be at most"),
    ],
)
def test_a_fault_is_named_with_its_place(entry: dict[str, Any], fault: str) -> None:
    (found,) = faults(entry)
    assert found.startswith(fault)


def test_names_are_different() -> None:
    assert faults({"name": "a"}, {"name": "b"}, {"name": "a"}) == [
        "aggregate[2].name: duplicate entry: a, values have to be unique"
    ]
