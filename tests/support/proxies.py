"""Real data planes for integration tests: `meshmeter dataplane run`, a real Envoy, a real application."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from support.processes import MESHMETER, ControlPlane, Process, eventually, free_port, get, samples
from support.require import envoy


@dataclass
class Proxy:
    """A running data plane."""

    name: str
    address: str
    port: int
    metrics_port: int
    process: Process
    document: dict[str, Any]
    work_dir: Path
    outbound_port: int | None = None

    @property
    def url(self) -> str:
        """Its service, through Envoy."""
        return f"http://{self.address}:{self.port}/"

    @property
    def metrics_url(self) -> str:
        return f"http://{self.address}:{self.metrics_port}/metrics"

    def metrics(self, query: str = "") -> str:
        """The body of one successful scrape."""
        status, body = get(self.metrics_url + query)
        assert status == 200, f"{self.metrics_url}: {status} {body[:500]}"
        return body

    def wait(self) -> Proxy:
        """Until a scrape succeeds."""
        eventually(
            self._answers, f"{self.metrics_url} to answer; {self.name} printed\n{self.process.output()}"
        )
        return self

    def _answers(self) -> bool:
        assert self.process.popen.poll() is None, self.process.output()
        return bool(samples(self.metrics(), "envoy_server_live"))


def application(control_plane: ControlPlane, name: str, call: str | None = None) -> int:
    """Start the demo's application; its port, once it answers."""
    port = free_port()
    command = [sys.executable, "-m", "meshmeter.cli.demo.application", name, "--port", str(port)]
    control_plane.processes.start(f"{name}-application", *command, *(["--call", call] if call else []))
    eventually(lambda: get(f"http://127.0.0.1:{port}/metrics")[0] == 200, f"application {name}")
    return port


def dataplane_document(
    name: str,
    address: str,
    *,
    service_port: int,
    port: int | None = None,
    protocol: str = "http",
    metrics_port: int | None = None,
    outbound: dict[str, int] | None = None,
    aggregate: list[dict[str, Any]] | None = None,
    mesh: str = "default",
) -> dict[str, Any]:
    """A Dataplane whose one service is called `name`."""
    return {
        "type": "Dataplane",
        "mesh": mesh,
        "name": name,
        "networking": {
            "address": address,
            "inbound": [
                {
                    "port": port or free_port(address),
                    "servicePort": service_port,
                    "serviceAddress": "127.0.0.1",
                    "tags": {"kuma.io/service": name, "kuma.io/protocol": protocol},
                }
            ],
            "outbound": [
                {"port": local, "tags": {"kuma.io/service": service}}
                for service, local in (outbound or {}).items()
            ],
        },
        "metrics": {
            "type": "prometheus",
            "conf": {
                "port": metrics_port or free_port(address),
                "aggregate": aggregate
                if aggregate is not None
                else [{"name": "app", "port": service_port, "address": "127.0.0.1"}],
            },
        },
    }


def start_proxy(
    control_plane: ControlPlane,
    document: dict[str, Any],
    *,
    token: str | None = None,
    options: tuple[str, ...] = (),
) -> Proxy:
    """Start `meshmeter dataplane run` for a document; does not wait."""
    name, mesh = document["name"], document["mesh"]
    folder = control_plane.data_dir.parent
    token_file = folder / f"{mesh}-{name}.token"
    token_file.touch(0o600)
    token_file.write_text(token or control_plane.ok("token", "dataplane", "--mesh", mesh, "--name", name))
    file = folder / f"{mesh}-{name}.yaml"
    file.write_text(yaml.safe_dump(document))
    work_dir = folder / f"w-{name}"
    process = control_plane.processes.start(
        name,
        *MESHMETER,
        "dataplane",
        "run",
        f"--control-plane={control_plane.url('dataplane_api')}",
        f"--ca-cert-file={control_plane.data_dir / 'ca.crt'}",
        f"--token-file={token_file}",
        f"--dataplane-file={file}",
        f"--envoy={envoy()}",
        f"--work-dir={work_dir}",
        *options,
    )
    networking = document["networking"]
    return Proxy(
        name,
        networking["address"],
        networking["inbound"][0]["port"],
        document["metrics"]["conf"]["port"],
        process,
        document,
        work_dir,
    )
