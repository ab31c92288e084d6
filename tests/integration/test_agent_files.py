"""What entries of a Dataplane can make a running agent open and send away."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from support.processes import ControlPlane, eventually
from support.proxies import dataplane_document, start_proxy

pytestmark = pytest.mark.integration


class Stranger(ThreadingHTTPServer):
    """An application that keeps what it is sent."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Stranger)
        self.server.seen.append((self.path, self.headers.get("Authorization", "")))
        body = b"stranger_up 1\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None: ...


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    with Stranger() as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        yield server
        server.shutdown()
        serving.join()


@pytest.mark.attack("B1: entries make a running agent send its token away, or freeze it with a FIFO")
def test_an_agent_keeps_what_its_operator_did_not_allow(
    control_plane: ControlPlane, stranger: Stranger, tmp_path: Path
) -> None:
    port = stranger.server_address[1]
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "token").write_text("for-the-application")
    (allowed / "link").symlink_to(control_plane.data_dir.parent / "default-web.token")
    os.mkfifo(allowed / "pipe")
    os.mkfifo(tmp_path / "pipe")
    # `start_proxy` keeps the token of the proxy and its work directory here.
    folder = control_plane.data_dir.parent
    attacks = {
        "own-token": {"bearerTokenFile": str(folder / "default-web.token")},
        "by-link": {"bearerTokenFile": str(allowed / "link")},
        "pipe": {"bearerTokenFile": str(allowed / "pipe")},
        "pipe-elsewhere": {"basicAuthFile": str(tmp_path / "pipe")},
        "state": {"bearerTokenFile": str(folder / "w-web" / "state.json")},
        "admin": {"unixSocket": str(folder / "w-web" / "admin.sock")},
    }
    entries = [
        {"name": name, "port": port, "address": "127.0.0.1", "path": f"/{name}", **more}
        for name, more in attacks.items()
    ]
    entries.append(
        {
            "name": "good",
            "port": port,
            "address": "127.0.0.1",
            "path": "/good",
            "bearerTokenFile": str(allowed / "token"),
        }
    )
    document = dataplane_document("web", "127.0.0.4", service_port=port, aggregate=entries)
    proxy = start_proxy(control_plane, document, options=(f"--allow-files={allowed}",)).wait()
    body = proxy.metrics()
    assert "stranger_up" in body
    assert set(stranger.seen) == {("/good", "Bearer for-the-application")}

    def findings() -> set[str]:
        explained = json.loads(control_plane.ok("explain", "dataplane", "web", "-o", "json"))
        return {
            found["message"].split("'")[1]
            for found in explained["findings"]
            if found["code"] == "source-file-refused"
        }

    eventually(lambda: findings() == set(attacks), "a finding for each refused file")
