"""The mesh's mTLS is switched on and off while services call each other: no request is lost. Real Envoys, real load."""

from __future__ import annotations

import http.client
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.mesh_tls import Authority
from support.processes import ControlPlane, document, eventually, free_port, get
from support.proxies import Proxy, application, dataplane_document, start_proxy

BACKEND, FRONTEND = "127.0.0.3", "127.0.0.2"


@dataclass
class Load:
    """Requests without a break, over new connections and over one that is kept."""

    port: int
    answered: int = 0
    failed: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self, *, keep: bool) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._stop.is_set():
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                connection.request("GET", "/")
                response = connection.getresponse()
                body = response.read()
                if response.status == 200:
                    self.answered += 1
                else:
                    self.failed.append(f"{time.monotonic():.2f}: {response.status} {body[:200]!r}")
                if not keep:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as exc:
                self.failed.append(f"{time.monotonic():.2f}: {exc!r}")
                connection = None
            time.sleep(0.005)
        if connection is not None:
            connection.close()

    @contextmanager
    def going(self) -> Iterator[None]:
        threads = [threading.Thread(target=self.run, kwargs={"keep": keep}) for keep in (True, False, False)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()


@dataclass
class Mesh:
    control_plane: ControlPlane
    authority: Authority
    backend: Proxy
    outbound: int

    def switch(self, mode: str) -> None:
        """To `off`, `PERMISSIVE` or `STRICT`, and wait until the inbound is as it is to be."""
        backends = [self.authority.backend(mode=mode if mode != "off" else "STRICT")]
        mtls = {"backends": backends, **({} if mode == "off" else {"enabledBackend": "ca-1"})}
        self.control_plane.ok("apply", "-f", "-", stdin=document(type="Mesh", name="default", mtls=mtls))
        eventually(lambda: self.inbound() == mode, f"the inbound to be {mode}", 60)

    def inbound(self) -> str:
        """What the backend's inbound is now, as a stranger sees it."""
        plain = mtls = True
        try:
            get(self.backend.url)
        except OSError:
            plain = False
        context = ssl.create_default_context(cafile=self.authority.bundle)
        context.set_alpn_protocols(["kuma"])
        context.check_hostname = False
        try:
            with (
                socket.create_connection((BACKEND, self.backend.port), timeout=60) as connection,
                context.wrap_socket(connection),
            ):
                pass
        except OSError:
            mtls = False
        return {(True, True): "PERMISSIVE", (False, True): "STRICT", (True, False): "off"}.get(
            (plain, mtls), "nothing"
        )


@pytest.fixture
def mesh(control_plane: ControlPlane, tmp_path: Path) -> Mesh:
    """A mesh without mTLS, with a frontend that calls a backend."""
    control_plane.ok("apply", "-f", "-", stdin=document(type="Mesh", name="default"))
    outbound = free_port()
    backend = start_proxy(
        control_plane,
        dataplane_document("backend", BACKEND, service_port=application(control_plane, "backend")),
    )
    made = dataplane_document("frontend", FRONTEND, service_port=1, outbound={"backend": outbound})
    start_proxy(control_plane, made)
    eventually(lambda: get(f"http://127.0.0.1:{outbound}/")[0] == 200, "the frontend to reach the backend")
    return Mesh(control_plane, Authority(tmp_path / "authority"), backend, outbound)


MODES = ("off", "PERMISSIVE", "STRICT", "PERMISSIVE", "off", "STRICT", "off")
"""Step by step, then directly."""


def test_switching_mtls_loses_no_request(mesh: Mesh) -> None:
    load = Load(mesh.outbound)
    with load.going():
        for before, mode in itertools.pairwise(MODES):
            answered = load.answered
            mesh.switch(mode)
            eventually(
                lambda count=answered: load.answered > count + 50, f"calls after {before} -> {mode}", 60
            )
            assert load.failed == [], f"{before} -> {mode}, {load.answered} requests"
    assert load.failed == []
    warnings = [
        line for line in mesh.backend.process.output().splitlines() if "WARNING" in line or "ERROR" in line
    ]
    assert warnings == [], "Envoy, started by its agent, has nothing to complain of"
