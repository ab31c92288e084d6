"""The endpoint on the unix socket (scrapes with a real Envoy are in tests/integration/test_scrape_faults.py)."""

from __future__ import annotations

import socket
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from meshmeter.agent.metrics_server import MetricsServer, listen
from meshmeter.errors import StartupError
from meshmeter.scrape.config import ScrapeConfig


async def test_what_is_served(tmp_path: Path) -> None:
    reports: list[tuple[Mapping[str, Any], Mapping[str, bool]]] = []
    path = tmp_path / "agent.sock"
    config = ScrapeConfig("v7", "default", "web-1", True)
    async with (
        MetricsServer(path, tmp_path / "no.sock", lambda: config, lambda *report: reports.append(report)),
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
    ):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        async with session.get("http://agent/metrics") as response:
            assert response.status == 503
            assert "envoy: connect" in await response.text()
        async with session.head("http://agent/metrics") as response:
            assert response.status == 503
        async with session.post("http://agent/metrics") as response:
            assert response.status == 405
        async with session.get("http://agent/other") as response:
            assert response.status == 404
    assert not path.exists()
    (report, states), *_ = reports
    assert (report["configVersion"], report["status"], states) == ("v7", 503, {"envoy": False})


def test_a_socket_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    listen(path).close()


def test_anything_else_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    path.write_text("precious")
    with pytest.raises(StartupError, match="is no socket"):
        listen(path)
    assert path.read_text() == "precious"


def test_paths_that_do_not_work(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="longer than the 107 bytes"):
        listen(tmp_path / ("x" * 108))
    with pytest.raises(StartupError, match="cannot listen on"):
        listen(Path("/no/such/folder/s"))
