"""The scenario of the demo: a control plane, `frontend` → `backend` behind real Envoys, and a Prometheus.

With mTLS the Prometheus has no sidecar: `meshmeter identity run` keeps a certificate of the mesh for it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import yaml

from meshmeter.cli.demo.processes import Child, Children, free_port
from meshmeter.cli.options import DiscoveryKind, ScrapeMode
from meshmeter.cli.prometheus_config import Access, Files, prometheus_config
from meshmeter.errors import StartupError

MESHMETER = (sys.executable, "-m", "meshmeter")

MESH = "default"
SCRAPER = "prometheus-server"
"""The service that may scrape in the demo with mTLS."""

FRONTEND, BACKEND = "127.0.0.2", "127.0.0.3"
"""Each sidecar listens on a loopback address of its own, so both can use the usual ports."""


@dataclass(frozen=True, slots=True)
class RunningMesh:
    """Where to find what was started."""

    folder: Path
    data_dir: Path
    endpoints: dict[str, str]
    """What the control plane wrote to endpoints.json."""
    frontend_url: str
    """The frontend; every request also crosses the backend's sidecar. Without mTLS through its own sidecar too: with
    it, only members of the mesh have a way in there."""
    prometheus_url: str | None
    identity: Path | None = None
    """With mTLS, the folder with the certificate by which to scrape."""

    @property
    def targets_url(self) -> str:
        """The target list that Prometheus reads."""
        url = f"{self.endpoints['discovery']}/v1/targets"
        return f"{url}?mesh={MESH}&direct=true" if self.identity else url


def manifests() -> Path:
    """The folder of the demo's manifests: inside an installed package, or in a checkout."""
    packaged = Path(str(package_files("meshmeter"))) / "examples" / "universal" / "demo"
    checkout = Path(__file__).resolve().parents[4] / "examples" / "universal" / "demo"
    for folder in (packaged, checkout):
        if folder.is_dir():
            return folder
    raise StartupError(f"the demo's manifests are neither in {packaged} nor in {checkout}")


def start(children: Children, folder: Path, *, prometheus: bool, mtls: bool = False) -> RunningMesh:
    """Start everything and return when the control plane has accepted the manifests.

    Raises StartupError with the words of whatever failed.
    """
    data_dir = folder / "control-plane"
    endpoints = _start_control_plane(children, data_dir)
    _meshmeter(data_dir, "apply", "-f", str(manifests() / ("mesh-mtls.yaml" if mtls else "mesh.yaml")))
    if mtls:
        # The control plane's own first permission lets every service do everything.
        _meshmeter(data_dir, "delete", "traffic-permission", f"allow-all-{MESH}", "--mesh", MESH)

    backend_app, frontend_app = free_port(), free_port()
    backend_port, frontend_port = free_port(BACKEND, 8080), free_port(FRONTEND, 8080)
    outbound = free_port()
    _start_application(children, "backend", backend_app)
    _start_application(children, "frontend", frontend_app, f"http://127.0.0.1:{outbound}/")
    _start_sidecar(
        children,
        folder,
        data_dir,
        endpoints,
        "backend",
        {"address": BACKEND, "port": backend_port, "app_port": backend_app},
    )
    _start_sidecar(
        children,
        folder,
        data_dir,
        endpoints,
        "frontend",
        {
            "address": FRONTEND,
            "port": frontend_port,
            "app_port": frontend_app,
            "backend_port": outbound,
        },
    )
    identity = _start_identity(children, folder, data_dir) if mtls else None
    url = f"http://127.0.0.1:{frontend_app}/" if mtls else f"http://{FRONTEND}:{frontend_port}/"
    mesh = RunningMesh(folder, data_dir, endpoints, url, None, identity)
    binary = shutil.which("prometheus") if prometheus else None
    if binary is None:
        return mesh
    return replace(mesh, prometheus_url=_start_prometheus(children, mesh, binary))


def _start_control_plane(children: Children, data_dir: Path) -> dict[str, str]:
    ports = [f"--{name}-port=0" for name in ("api", "dataplane-api", "ads", "discovery", "diagnostics")]
    child = children.start(
        "control-plane", [*MESHMETER, "control-plane", "run", "--data-dir", str(data_dir), *ports]
    )
    written = data_dir / "endpoints.json"
    _wait(children, lambda: written.exists(), "the control plane to start", child)
    endpoints: dict[str, str] = json.loads(written.read_text())
    return endpoints


def _start_application(children: Children, name: str, port: int, call: str | None = None) -> None:
    command = [sys.executable, "-m", "meshmeter.cli.demo.application", name, "--port", str(port)]
    children.start(f"{name}-application", [*command, *(["--call", call] if call else [])])


def _start_sidecar(
    children: Children,
    folder: Path,
    data_dir: Path,
    endpoints: dict[str, str],
    name: str,
    variables: dict[str, object],
) -> None:
    token = folder / f"{name}.token"
    token.touch(0o600)
    token.write_text(_meshmeter(data_dir, "token", "dataplane", "--mesh", MESH, "--name", name))
    values = {**variables, "metrics_port": free_port(str(variables["address"]), 5670)}
    children.start(
        f"{name}-sidecar",
        [
            *MESHMETER,
            "dataplane",
            "run",
            f"--control-plane={endpoints['dataplane_api']}",
            f"--ca-cert-file={data_dir / 'ca.crt'}",
            f"--token-file={token}",
            f"--dataplane-file={manifests() / f'{name}.yaml'}",
            f"--work-dir={folder / name}",
            *(f"--var={key}={value}" for key, value in values.items()),
        ],
    )


def _start_identity(children: Children, folder: Path, data_dir: Path) -> Path:
    """Keep a certificate of the mesh for whoever scrapes; where it is, once it is there."""
    out = folder / "prometheus-identity"
    command = [*MESHMETER, "identity", "run", "--mesh", MESH, "--service", SCRAPER, "--out", str(out)]
    child = children.start("prometheus-identity", [*command, "--data-dir", str(data_dir)])
    _wait(children, lambda: (out / "tls.crt").exists(), "a certificate of the mesh", child)
    return out


def _start_prometheus(children: Children, mesh: RunningMesh, binary: str) -> str:
    address = f"127.0.0.1:{free_port()}"
    config = mesh.folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(scrape_config(mesh), sort_keys=False))
    children.start(
        "prometheus",
        [
            binary,
            f"--config.file={config}",
            f"--storage.tsdb.path={mesh.folder / 'tsdb'}",
            f"--web.listen-address={address}",
        ],
    )
    return f"http://{address}"


def scrape_config(mesh: RunningMesh, interval: str = "2s") -> dict[str, Any]:
    """What `meshmeter prometheus config` would print for this mesh."""
    access = Access(mesh.endpoints["discovery"])
    if mesh.identity is None:
        return prometheus_config(ScrapeMode.PLAIN, DiscoveryKind.HTTP, access, interval=interval)
    files = Files(identity=mesh.identity)
    return prometheus_config(
        ScrapeMode.DIRECT, DiscoveryKind.HTTP, access, mesh=MESH, files=files, interval=interval
    )


def _meshmeter(data_dir: Path, *arguments: str) -> str:
    """Run one meshmeter command as a user would; its output. Raises StartupError with its errors."""
    done = subprocess.run(
        [*MESHMETER, *arguments, "--data-dir", str(data_dir)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode:
        raise StartupError(f"meshmeter {' '.join(arguments)} failed:\n{done.stderr.strip()}")
    return done.stdout


def _wait(
    children: Children, done: Callable[[], bool], what: str, child: Child, seconds: float = 30.0
) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        children.check()
        if time.monotonic() > deadline:
            raise StartupError(f"waited {seconds:.0f} s for {what}; {child.name} said:\n{child.tail()}")
        time.sleep(0.05)
