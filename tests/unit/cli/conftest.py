from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.api_server import ServedApi, serve_in_thread
from support.cli import Cli


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ServedApi]:
    """A resource API in a thread."""
    folder = tmp_path / "control-plane"
    folder.mkdir()
    with serve_in_thread(folder) as served:
        yield served


@pytest.fixture
def offline(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """The command line, in a directory where it finds no control plane."""
    for variable in ("API_ADDRESS", "TOKEN", "TOKEN_FILE", "DATA_DIR", "CA_CERT_FILE"):
        monkeypatch.delenv(f"MESHMETER_{variable}", raising=False)
    monkeypatch.chdir(tmp_path)
    return Cli(capsys)


@pytest.fixture
def cli(api: ServedApi, offline: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line, which finds `api` in its environment."""
    monkeypatch.setenv("MESHMETER_API_ADDRESS", api.url)
    monkeypatch.setenv("MESHMETER_TOKEN", api.admin_token)
    return offline
