"""The scrape configuration on the wire."""

from __future__ import annotations

import json

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
