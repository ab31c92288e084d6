"""The scrape configuration on the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meshmeter.scrape.config import ScrapeConfig, SourceConfig, SourceOptions


def test_it_survives_the_wire() -> None:
    config = ScrapeConfig(
        "1",
        "default",
        "web-1",
        True,
        (SourceConfig("app", "::1", 80, "/m"),),
        "x.*",
        True,
        "app",
        ("10.0.0.0/8",),
        True,
    )
    assert ScrapeConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_unknown_keys_of_a_newer_control_plane_are_ignored() -> None:
    data = ScrapeConfig("1", "m", "d", True, (SourceConfig("a", "b", 1, "/"),)).to_json() | {"new": 1}
    data["sources"][0]["newer"] = 2
    assert ScrapeConfig.from_json(data).sources == (SourceConfig("a", "b", 1, "/"),)


def test_options_of_a_source_survive_the_wire() -> None:
    options = SourceOptions("https", "/ca", params=(("a", "b"), ("c", "")), timeout=2.5, samples=3)
    config = ScrapeConfig("1", "m", "d", True, (SourceConfig("a", "b", 1, "/", options),))
    assert ScrapeConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ((), [], "the configuration is no object"),
        (("version",), None, "version: None is not of the type str"),
        (("used_only",), "no", "used_only: 'no'"),
        (("filter_regex",), 1, "filter_regex: 1"),
        (("sources",), {"a": 1}, "sources is no list"),
        (("sources", 0), "x", r"sources\[0\] is no object"),
        (("sources", 0, "port"), "80", r"sources\[0\].port: '80'"),
        (("sources", 0, "port"), True, r"sources\[0\].port: True"),
        (("sources", 0, "port"), 99999, "99999 is no port"),
        (("sources", 0, "options"), None, r"sources\[0\].options is no object"),
        (("sources", 0, "options", "timeout"), "1s", r"sources\[0\].options.timeout: '1s'"),
        (("sources", 0, "options", "params"), [["a", "b", "c"]], r"params\[0\] is no pair"),
        (("sources", 0, "options", "params"), [1], r"params\[0\] is no pair"),
        (("allowed_networks",), ["10.0.0.0/99"], "10.0.0.0/99"),
    ],
)
def test_what_cannot_be_used_is_told_by_its_field(path: tuple[Any, ...], value: object, told: str) -> None:
    data: Any = ScrapeConfig("1", "m", "d", True, (SourceConfig("a", "b", 1, "/"),)).to_json()
    data = json.loads(json.dumps(data))
    parent, last = None, data
    for key in path:
        parent, last = last, last[key]
    if parent is None:
        data = value
    else:
        parent[path[-1]] = value
    with pytest.raises(ValueError, match=told):
        ScrapeConfig.from_json(data)


def test_an_older_control_plane_does_not_tell_where_the_endpoint_is() -> None:
    config = ScrapeConfig("1", "m", "d", True, metrics_address="10.0.0.7", metrics_port=5670)
    data = config.to_json()
    assert ScrapeConfig.from_json(data) == config
    del data["metrics_address"], data["metrics_port"]
    assert ScrapeConfig.from_json(data) == ScrapeConfig("1", "m", "d", True)


def test_a_field_that_is_missing_is_told() -> None:
    with pytest.raises(ValueError, match="version is missing"):
        ScrapeConfig.from_json({})
