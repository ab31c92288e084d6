from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from meshmeter.cli import control_plane
from meshmeter.controlplane import app
from meshmeter.controlplane.options import OPTIONS
from meshmeter.controlplane.settings import Settings
from meshmeter.errors import StartupError, StoreUnavailable

ENDPOINTS = {"api": "http://127.0.0.1:1", "dataplane_api": "https://127.0.0.1:2"}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that the control plane was started with."""
    seen: list[Settings] = []

    def start(settings: Settings, announce: Callable[[Mapping[str, str]], None]) -> None:
        seen.append(settings)
        announce(ENDPOINTS)

    monkeypatch.setattr(app, "run", start)
    for option in OPTIONS:
        monkeypatch.delenv(option.variable, raising=False)
    return seen


def test_every_setting_is_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert control_plane.run(["run", "--help"]) == 0
    shown = capsys.readouterr().out
    for option in OPTIONS:
        assert option.flag in shown and option.variable in shown
    assert "--no-default-mesh" in shown and "--config" in shown


def test_flags_variables_and_file_make_the_settings(
    started: list[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("api-port: 1\nads-port: 1\nzone: file\n")
    monkeypatch.setenv("MESHMETER_API_PORT", "2")
    monkeypatch.setenv("MESHMETER_ADS_PORT", "2")
    assert control_plane.run(["run", "--config", str(file), "--api-port=3", "--no-default-mesh"]) == 0
    (settings,) = started
    assert (settings.api_port, settings.ads_port, settings.zone) == (3, 2, "file")
    assert settings.default_mesh is False and settings.insecure_http is False


def test_where_it_listens_is_printed(started: list[Settings], capsys: pytest.CaptureFixture[str]) -> None:
    assert control_plane.run(["run"]) == 0
    shown = capsys.readouterr().out
    assert "http://127.0.0.1:1" in shown and "dataplane-api  https://127.0.0.1:2" in shown


@pytest.mark.parametrize(
    "arguments",
    [[], ["walk"], ["run", "--api-port", "x"], ["run", "--nosuch"], ["run", "--bind", "0.0.0.0:1"]],
)
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert control_plane.run(arguments) == 2
    assert capsys.readouterr().err


@pytest.mark.parametrize(
    "error, code", [(StartupError("no"), 3), (StoreUnavailable("no"), 3), (KeyboardInterrupt(), 130)]
)
def test_what_ends_it(monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int) -> None:
    def fail(*_arguments: Any) -> None:
        raise error

    monkeypatch.setattr(app, "run", fail)
    assert control_plane.run(["run"]) == code
