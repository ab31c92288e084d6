"""The part of the agent that answers scrapes, as a process of its own to be measured: `agent_process.py CONFIG.json`.

CONFIG holds `agent_socket`, `admin_socket`, `kernel`, and `config`, a ScrapeConfig as the control plane sends it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import meshmeter.agent.app  # noqa: F401 - the whole agent is loaded, as it is in life
from meshmeter.agent.metrics_server import MetricsServer
from meshmeter.exposition.kernel import choose
from meshmeter.scrape.config import ScrapeConfig


async def main(settings: dict[str, Any]) -> None:
    """Serve until standard input closes."""
    config = ScrapeConfig.from_json(settings["config"])
    server = MetricsServer(
        Path(settings["agent_socket"]),
        Path(settings["admin_socket"]),
        lambda: config,
        lambda _report, _states: None,
        choose(settings["kernel"]),
    )
    async with server:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.buffer.read)


asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))
