"""A real Prometheus for integration tests, and what it says of its targets."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from support.processes import Process, Processes, eventually, free_port, get
from support.require import program


@dataclass
class Prometheus:
    url: str
    process: Process

    def query(self, expression: str, label: str = "dataplane") -> dict[str, float]:
        """The value of each series of an instant query, by one of its labels."""
        status, body = get(f"{self.url}/api/v1/query?query={quote(expression)}")
        assert status == 200, body
        found = json.loads(body)["data"]["result"]
        return {each["metric"].get(label, ""): float(each["value"][1]) for each in found}

    def points(self, selector: str) -> list[tuple[dict[str, str], float, str]]:
        """All stored samples of the last minutes, as labels, time in seconds and value."""
        status, body = get(f"{self.url}/api/v1/query?query={quote(selector + '[10m]')}")
        assert status == 200, body
        return [
            (series["metric"], at, value)
            for series in json.loads(body)["data"]["result"]
            for at, value in series["values"]
        ]

    def errors(self) -> dict[str, str]:
        """Why the last scrape failed, for each target; empty where it did not."""
        targets = json.loads(get(f"{self.url}/api/v1/targets")[1])["data"]["activeTargets"]
        return {each["labels"]["dataplane"]: each["lastError"] for each in targets}


def start_prometheus(processes: Processes, folder: Path, config: str) -> Prometheus:
    """Start it with this configuration; it is ready when this returns. `MESHMETER_PROMETHEUS` names another program
    than the one on the `$PATH`."""
    folder.mkdir(exist_ok=True)
    file = folder / "prometheus.yml"
    file.write_text(config)
    address = f"127.0.0.1:{free_port()}"
    process = processes.start(
        "prometheus",
        os.environ.get("MESHMETER_PROMETHEUS") or str(program("prometheus", "apt-get install prometheus")),
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={address}",
    )

    def is_ready() -> bool:
        assert process.popen.poll() is None, process.output()
        return get(f"http://{address}/-/ready")[0] == 200

    eventually(is_ready, "Prometheus to be ready", 30.0)
    return Prometheus(f"http://{address}", process)
