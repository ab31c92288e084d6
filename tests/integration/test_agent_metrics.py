"""The agent's own metrics: asked for by the Mesh or the Dataplane, and always beside the proxy."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from support.processes import ControlPlane, document, eventually, samples
from support.proxies import Proxy, application, dataplane_document, start_proxy

BACKEND = "127.0.0.3"


def kubernetes_mesh(agent_metrics: bool) -> str:
    conf = {"agentMetrics": agent_metrics}
    backend = {"name": "prometheus-1", "type": "prometheus", "conf": conf}
    return document(
        apiVersion="kuma.io/v1alpha1",
        kind="Mesh",
        metadata={"name": "default"},
        spec={"metrics": {"enabledBackend": "prometheus-1", "backends": [backend]}},
    )


def setting(control_plane: ControlPlane) -> dict[str, Any]:
    answer = json.loads(control_plane.ok("explain", "dataplane", "backend", "-o", "json"))
    found: dict[str, Any] = answer["settings"]["agentMetrics"]
    return found


def of_the_agent(proxy: Proxy) -> dict[str, float]:
    return samples(proxy.metrics(), "meshmeter_agent_control_plane_connected")


def test_they_come_and_go_with_the_configuration(control_plane: ControlPlane) -> None:
    service_port = application(control_plane, "backend")
    made = dataplane_document("backend", BACKEND, service_port=service_port)
    proxy = start_proxy(control_plane, made).wait()
    assert not of_the_agent(proxy)
    assert setting(control_plane)["origin"]["layer"] == "default"

    control_plane.ok("apply", "-f", "-", stdin=kubernetes_mesh(True))
    connected = {"meshmeter_agent_control_plane_connected": 1.0}
    eventually(lambda: of_the_agent(proxy) == connected, "the agent's metrics in the answer")
    assert (setting(control_plane)["value"], setting(control_plane)["origin"]["layer"]) == (True, "Mesh")
    body = proxy.metrics()
    assert sum(samples(body, "meshmeter_agent_scrapes_total", code="200").values()) >= 2
    assert sum(samples(body, "meshmeter_agent_fetches_total", source="app", result="ok").values()) >= 2
    assert sum(samples(body, "meshmeter_agent_process_resident_memory_bytes").values()) > 1 << 20

    made["metrics"]["conf"]["agentMetrics"] = False
    control_plane.ok("apply", "-f", "-", stdin=document(**made))
    eventually(lambda: not of_the_agent(proxy), "the Dataplane's own wish to hold")
    assert setting(control_plane)["origin"]["layer"] == "Dataplane"
    assert [each["value"] for each in setting(control_plane)["overrode"]] == [True, False]

    command = ["curl", "-sS", "--unix-socket", str(proxy.work_dir / "self.sock"), "http://agent/metrics"]
    own = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert samples(own, "meshmeter_agent_control_plane_connected") == connected


def test_one_that_is_no_boolean_is_refused(control_plane: ControlPlane) -> None:
    text = kubernetes_mesh(True).replace('"agentMetrics": true', '"agentMetrics": "yes"')
    done = control_plane.run("apply", "-f", "-", stdin=text)
    assert done.returncode != 0
    assert "agentMetrics: must be true or false" in done.stderr
