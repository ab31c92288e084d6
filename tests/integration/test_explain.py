"""`meshmeter explain` on a live mesh names each thing that is wrong, and the way out."""

from __future__ import annotations

import json
import socket
from typing import Any

import yaml

from support.processes import ControlPlane, document, eventually, free_port, get
from support.proxies import application, dataplane_document, start_proxy

BACKEND = "127.0.0.3"


def explained(control_plane: ControlPlane) -> dict[str, Any]:
    answer: dict[str, Any] = yaml.safe_load(control_plane.ok("explain", "dataplane", "backend", "-o", "yaml"))
    return answer


def codes(control_plane: ControlPlane) -> set[str]:
    return {finding["code"] for finding in explained(control_plane)["findings"]}


def test_every_fault_of_a_running_proxy_is_named(control_plane: ControlPlane) -> None:
    service_port = application(control_plane, "backend")
    assert get(f"http://127.0.0.1:{service_port}/")[0] == 200  # so that it has something to count
    aggregate = [
        {"name": "app", "port": service_port, "address": "127.0.0.1"},
        {"name": "twin", "port": service_port, "address": "127.0.0.1"},
        {"name": "dead", "port": free_port(), "address": "127.0.0.1"},
        {"name": "metadata", "port": 80, "address": "169.254.169.254"},
        {"name": "nowhere"},
    ]
    twice = free_port()
    made = dataplane_document(
        "backend",
        BACKEND,
        service_port=service_port,
        aggregate=aggregate,
        outbound={"one": twice, "other": twice},
    )
    proxy = start_proxy(control_plane, made).wait()

    wanted = {
        "source-down",
        "source-all-duplicates",
        "aggregate-address-link-local",
        "aggregate-port-missing",
        "proxy-config-incomplete",
    }
    eventually(
        lambda: wanted <= codes(control_plane),
        "a dead application, two refused entries and an outbound that was left out to be named",
    )
    answer = explained(control_plane)
    assert answer["urls"] == [proxy.metrics_url]
    port = answer["settings"]["port"]
    assert port["value"] == proxy.metrics_port
    assert port["origin"]["resource"] == "Dataplane default/backend"
    assert port["origin"]["field"] == "metrics.conf.port"
    assert {e["name"]: e["state"] for e in answer["aggregate"]} == {
        "app": "scraped",
        "twin": "scraped",
        "dead": "scraped",
        "metadata": "refused",
        "nowhere": "refused",
    }
    assert answer["proxy"]["status"] == "online"
    assert {s["name"]: s["up"] for s in answer["lastScrape"]["sources"]} == {
        "envoy": True,
        "app": True,
        "twin": True,
        "dead": False,
    }
    (dead,) = (s for s in answer["lastScrape"]["sources"] if s["name"] == "dead")
    assert dead["trouble"]["failures"] >= 1 and dead["trouble"]["lastSuccess"] is None
    assert "in a row, since" in control_plane.ok("explain", "dataplane", "backend")
    for finding in answer["findings"]:
        assert finding["message"] and finding["remedy"]
    (down,) = (finding for finding in answer["findings"] if finding["code"] == "source-down")
    assert down["message"].endswith("connect: connection refused") and "`address`" in down["remedy"]


def test_a_port_that_another_process_holds_is_named_with_envoys_words(control_plane: ControlPlane) -> None:
    service_port = application(control_plane, "backend")
    made = dataplane_document("backend", BACKEND, service_port=service_port)
    with socket.create_server((BACKEND, made["metrics"]["conf"]["port"])):
        start_proxy(control_plane, made)
        eventually(lambda: "listener-rejected" in codes(control_plane), "the refusal to be named")
        answer = explained(control_plane)
        assert answer["proxy"]["status"] == "rejected"
        assert "Address already in use" in answer["proxy"]["nack"]["message"]


def test_a_port_that_the_dataplane_itself_uses_opens_no_listener(control_plane: ControlPlane) -> None:
    service_port = application(control_plane, "backend")
    made = dataplane_document("backend", BACKEND, service_port=service_port)
    made["metrics"]["conf"]["port"] = made["networking"]["inbound"][0]["port"]
    start_proxy(control_plane, made)
    eventually(
        lambda: "metrics-port-conflict" in codes(control_plane),
        "the conflict to be named",
    )
    assert explained(control_plane)["metrics"] == "refused"


def test_a_mesh_that_asks_for_mtls_stays_closed_and_says_why(control_plane: ControlPlane) -> None:
    mesh = {
        "type": "Mesh",
        "name": "default",
        "mtls": {"enabledBackend": "ca", "backends": [{"name": "ca", "type": "builtin"}]},
        "metrics": {"enabledBackend": "p", "backends": [{"name": "p", "type": "prometheus"}]},
    }
    control_plane.ok("apply", "-f", "-", stdin=document(**mesh))
    control_plane.ok("delete", "traffic-permission", "allow-all-default", "--mesh", "default")
    made = dataplane_document("backend", BACKEND, service_port=80)
    control_plane.ok("apply", "-f", "-", stdin=document(**made))
    eventually(lambda: "metrics-no-permission" in codes(control_plane), "the missing permission to be named")


def test_a_mesh_is_summed_up_by_code(control_plane: ControlPlane) -> None:
    for number in (1, 2):
        made = dataplane_document(f"by-hand-{number}", f"127.0.0.{number + 10}", service_port=80)
        control_plane.ok("apply", "-f", "-", stdin=document(**made))

    def summed_up() -> bool:
        summary = json.loads(control_plane.ok("explain", "mesh", "default", "-o", "json"))
        return "proxy-not-connected" in json.dumps(summary["findings"]) and summary["proxies"]["total"] == 2

    eventually(summed_up, "both proxies to be counted")
