"""A real Envoy with many clusters and its admin interface on a unix socket, for tests and benchmarks of scrapes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, socket
from typing import Any

from support import require

SPLITS = 4
"""Parts of each split service."""


def cluster_names(count: int) -> list[str]:
    """`count` cluster names: services split into four parts each, as traffic split by tags looks."""
    names = []
    for n in range(count):
        part = hashlib.sha256(str(n).encode()).hexdigest()[:16]
        names.append(f"backend-{n // SPLITS}_demo_svc_8080-{part}")
    return names


def bootstrap(
    admin_socket: Path, clusters: int, listener: dict[str, Any] | None, more: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "node": {"id": "default.bench", "cluster": "bench"},
        "admin": {"address": {"pipe": {"path": str(admin_socket), "mode": 0o600}}},
        "static_resources": {
            "clusters": [
                {
                    "name": name,
                    "type": "STATIC",
                    "connect_timeout": "1s",
                    "load_assignment": {
                        "cluster_name": name,
                        "endpoints": [
                            {
                                "lb_endpoints": [
                                    {
                                        "endpoint": {
                                            "address": {
                                                "socket_address": {"address": "127.0.0.1", "port_value": 1}
                                            }
                                        }
                                    }
                                ]
                            }
                        ],
                    },
                }
                for name in (*cluster_names(clusters), "ads_cluster", "kuma_envoy_admin")
            ]
            + more,
            "listeners": [listener] if listener else [],
        },
    }


class AdminConnection(HTTPConnection):
    def __init__(self, path: Path):
        super().__init__("envoy", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket(AF_UNIX, SOCK_STREAM)
        self.sock.connect(str(self._path))


def get(admin_socket: Path, target: str) -> bytes:
    """The body of an admin answer."""
    connection = AdminConnection(admin_socket)
    try:
        connection.request("GET", target, headers={"Accept": "text/plain"})
        return connection.getresponse().read()
    finally:
        connection.close()


@contextmanager
def running_envoy(
    folder: Path,
    clusters: int,
    *,
    listener: dict[str, Any] | None = None,
    more: list[dict[str, Any]] | None = None,
) -> Iterator[Path]:
    """An Envoy that has taken its bootstrap, with a listener and more clusters if they are given; gives its admin
    socket."""
    program = require.envoy()
    admin_socket, config = folder / "admin.sock", folder / "bootstrap.json"
    config.write_text(json.dumps(bootstrap(admin_socket, clusters, listener, more or [])))
    with (folder / "envoy.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "-c", config, "--use-dynamic-base-id", "--concurrency", "1", "-l", "warning"],
            stdout=log,
            stderr=log,
        )
        try:
            deadline = time.monotonic() + 60
            while True:
                assert process.poll() is None, (folder / "envoy.log").read_text()
                try:
                    get(admin_socket, "/ready")
                    break
                except OSError:
                    assert time.monotonic() < deadline, "Envoy does not answer"
                    time.sleep(0.02)
            yield admin_socket
        finally:
            process.terminate()
            process.wait(60)
