from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from meshmeter.agent.control_plane import Registration
from meshmeter.agent.registration_cache import RegistrationCache
from meshmeter.scrape.config import ScrapeConfig, SourceConfig

REGISTRATION = Registration(
    "shop",
    "web",
    {"node": {"id": "shop.web"}},
    ScrapeConfig("v1", "shop", "web", True, (SourceConfig("app", "127.0.0.1", 80, "/metrics"),)),
)
URL = "https://cp:5682"


def test_what_was_saved_comes_back_and_is_private(tmp_path: Path) -> None:
    cache = RegistrationCache(tmp_path / "state.json", URL)
    assert cache.load("shop", "web") is None
    cache.save(REGISTRATION)
    assert cache.load("shop", "web") == REGISTRATION
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600
    newer = replace(REGISTRATION, config=ScrapeConfig("v2", "shop", "web", False))
    cache.save(newer)
    assert cache.load("shop", "web") == newer


def test_what_belongs_to_something_else_is_not_used(tmp_path: Path) -> None:
    RegistrationCache(tmp_path / "state.json", URL).save(REGISTRATION)
    assert RegistrationCache(tmp_path / "state.json", URL).load("shop", "other") is None
    assert RegistrationCache(tmp_path / "state.json", "https://other:5682").load("shop", "web") is None
    moved = tmp_path / "moved"
    moved.mkdir()
    (tmp_path / "state.json").rename(moved / "state.json")
    assert RegistrationCache(moved / "state.json", URL).load("shop", "web") is None


@pytest.mark.parametrize("garbage", ["", "{", "[]", "{}", "null", '{"format": 1, "controlPlane": 1}', "\xff"])
def test_a_damaged_file_is_told_and_not_used(
    tmp_path: Path, garbage: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state.json").write_text(garbage, encoding="latin-1")
    assert RegistrationCache(tmp_path / "state.json", URL).load("shop", "web") is None
    assert "state.json cannot be used" in caplog.text


def test_half_a_registration_is_not_used(tmp_path: Path) -> None:
    cache = RegistrationCache(tmp_path / "state.json", URL)
    cache.save(REGISTRATION)
    data = json.loads((tmp_path / "state.json").read_text())
    del data["registration"]["agentConfig"]["version"]
    (tmp_path / "state.json").write_text(json.dumps(data))
    assert cache.load("shop", "web") is None


def test_a_state_that_cannot_be_written_costs_only_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    RegistrationCache(tmp_path / "gone" / "state.json", URL).save(REGISTRATION)
    assert "a restart will need the control plane" in caplog.text
