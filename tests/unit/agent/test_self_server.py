"""The agent's own metrics on a unix socket."""

from __future__ import annotations

import stat
from pathlib import Path

import aiohttp
import pytest

from meshmeter.agent.self_metrics import SelfMetrics
from meshmeter.agent.self_server import SelfServer
from meshmeter.errors import StartupError
from support.exposition import samples


async def test_what_is_served(tmp_path: Path) -> None:
    path = tmp_path / "self.sock"
    async with (
        SelfServer(path, SelfMetrics()),
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
    ):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        async with session.get("http://agent/metrics") as response:
            assert response.status == 200
            assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert ("meshmeter_agent_envoy_restarts_total", (), 0.0) in samples(await response.text())
        accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
        async with session.get("http://agent/metrics", headers=accept) as response:
            assert response.headers["Content-Type"].startswith("application/openmetrics-text")
            found = samples(await response.text(), openmetrics=True)
            assert ("meshmeter_agent_envoy_restarts_total", (), 0.0) in found
        async with session.get("http://agent/") as response:
            assert response.status == 404
    assert not path.exists()


async def test_a_path_that_does_not_work(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="cannot listen on"):
        async with SelfServer(tmp_path / "no" / "self.sock", SelfMetrics()):
            pass
