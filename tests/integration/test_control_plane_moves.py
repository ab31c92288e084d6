"""A control plane that comes back elsewhere is found again by Envoy, and an Envoy that finds it is left alone."""

from __future__ import annotations

import json
import socket
from copy import deepcopy
from pathlib import Path

from support.processes import ControlPlane, document, eventually, free_port, get, samples
from support.proxies import Proxy, application, dataplane_document, start_proxy

BACKEND = "127.0.0.3"
CONNECTED = "meshmeter_agent_control_plane_connected"


def a_backend(control_plane: ControlPlane) -> Proxy:
    service_port = application(control_plane, "backend")
    made = dataplane_document("backend", BACKEND, service_port=service_port)
    proxy = start_proxy(control_plane, made, options=("--drain-time=0s", "--concurrency=1")).wait()
    eventually(lambda: connected(proxy), "the agent to say that it is connected")
    return proxy


def envoy_of(proxy: Proxy) -> int:
    """Its process; 0 while it is replaced."""
    pid = proxy.process.popen.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else 0


def connected(proxy: Proxy) -> bool:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(proxy.work_dir / "self.sock"))
        asking.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        with asking.makefile("rb") as answer:
            return sum(samples(answer.read().decode(), CONNECTED).values()) == 1


def is_online(control_plane: ControlPlane) -> bool:
    (item,) = json.loads(control_plane.ok("get", "dataplanes", "-o", "json"))["items"]
    assert item["name"] == "backend"
    return "online" in control_plane.ok("get", "dataplanes")


def test_a_control_plane_at_another_ads_port_is_followed_and_told_as_connected_only_then(
    control_plane: ControlPlane,
) -> None:
    backend = a_backend(control_plane)
    first = envoy_of(backend)
    assert control_plane.process.stop() == 0
    eventually(lambda: not connected(backend), "the agent to notice")
    assert get(backend.url)[0] == 200, "traffic goes on"

    control_plane.ports["ads"] = free_port()
    control_plane.restart()

    def is_connected() -> bool:
        says = connected(backend)
        assert not says or envoy_of(backend) != first, "the old Envoy cannot follow"
        return says

    eventually(is_connected, "another Envoy to follow", seconds=60)
    assert envoy_of(backend) != first
    eventually(lambda: is_online(control_plane), "the proxy to be online again")
    changed = deepcopy(backend.document)
    changed["metrics"]["conf"]["port"] = free_port(BACKEND)
    control_plane.ok("apply", "-f", "-", stdin=document(**changed))
    url = f"http://{BACKEND}:{changed['metrics']['conf']['port']}/metrics"
    eventually(lambda: get(url)[0] == 200, "the metrics port to move")
    assert get(backend.url)[0] == 200
    assert "Traceback" not in backend.process.output()


def test_a_control_plane_with_another_authority_is_followed_once_the_agent_has_it(
    control_plane: ControlPlane,
) -> None:
    backend = a_backend(control_plane)
    first = envoy_of(backend)
    assert control_plane.process.stop() == 0
    for file in ("ca.crt", "ca.key", "server.crt", "server.key"):
        (control_plane.data_dir / file).unlink()
    control_plane.restart()  # makes another authority, which is also where the agent reads it
    eventually(lambda: envoy_of(backend) not in (0, first), "another Envoy", seconds=60)
    eventually(lambda: connected(backend), "it to follow", seconds=60)
    eventually(lambda: is_online(control_plane), "the proxy to be online again")


def test_an_envoy_is_not_replaced_when_the_control_plane_comes_back_where_it_was(
    control_plane: ControlPlane,
) -> None:
    backend = a_backend(control_plane)
    first = envoy_of(backend)
    assert control_plane.process.stop() == 0
    eventually(lambda: not connected(backend), "the agent to notice")
    control_plane.restart()
    eventually(lambda: connected(backend), "Envoy to follow again", seconds=60)
    assert envoy_of(backend) == first
