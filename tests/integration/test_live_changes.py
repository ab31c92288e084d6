"""What an operator changes of a running proxy's Dataplane, over restarts and absences of the proxy."""

from __future__ import annotations

import copy
import json
from typing import Any

from support.processes import ControlPlane, document, eventually, free_port, get
from support.proxies import application, dataplane_document, start_proxy

ADDRESS = "127.0.0.3"


def settings(control_plane: ControlPlane) -> dict[str, Any]:
    told = json.loads(control_plane.ok("explain", "dataplane", "backend", "-o", "json"))
    return dict(told["settings"])


def targets(control_plane: ControlPlane) -> int:
    status, body = get(control_plane.url("discovery") + "/v1/targets")
    assert status == 200, body
    return len(json.loads(body))


def test_a_live_change_holds_over_a_stop_an_absence_and_a_new_file(control_plane: ControlPlane) -> None:
    service = application(control_plane, "backend")
    sent = dataplane_document("backend", ADDRESS, service_port=service)
    first = start_proxy(control_plane, sent).wait()
    port = free_port(ADDRESS)
    changed = copy.deepcopy(sent)
    changed["metrics"]["conf"] = {
        "port": port,
        "aggregate": [{"name": "added", "port": service, "address": "127.0.0.1"}],
    }
    control_plane.ok("apply", "-f", "-", stdin=document(**changed))
    first.metrics_port = port
    first.wait()
    assert first.process.stop() == 0
    eventually(lambda: targets(control_plane) == 0, "the target to go with the proxy")
    assert "backend" in control_plane.ok("get", "dataplanes")

    conf = sent["metrics"]["conf"]
    conf["path"] = "/from-the-file"
    conf["aggregate"].append({"name": "new", "port": service, "address": "127.0.0.1"})
    again = start_proxy(control_plane, sent)
    again.metrics_port = port
    eventually(
        lambda: {"new", "added"} == sources(control_plane) and again.process.popen.poll() is None,
        "both entries to be there",
    )
    told = settings(control_plane)
    assert (told["port"]["value"], told["port"]["origin"]["writtenBy"]) == (port, "operator")
    (below, *_) = told["port"]["overrode"]
    assert (below["value"], below["origin"]["writtenBy"]) == (sent["metrics"]["conf"]["port"], "agent")
    assert (told["path"]["value"], told["path"]["origin"]["writtenBy"]) == ("/from-the-file", "agent")
    shown = control_plane.ok("explain", "dataplane", "backend")
    assert "metrics.conf.port (applied)" in shown and "metrics.conf.path (from its agent)" in shown

    control_plane.ok("delete", "dataplane", "backend")
    eventually(
        lambda: settings_or_none(control_plane) == sent["metrics"]["conf"]["port"],
        "the agent's file alone to hold after delete",
        60.0,
    )


def sources(control_plane: ControlPlane) -> set[str]:
    told = control_plane.run("explain", "dataplane", "backend", "-o", "json")
    return {entry["name"] for entry in json.loads(told.stdout)["aggregate"]} if not told.returncode else set()


def settings_or_none(control_plane: ControlPlane) -> int | None:
    told = control_plane.run("explain", "dataplane", "backend", "-o", "json")
    return int(json.loads(told.stdout)["settings"]["port"]["value"]) if not told.returncode else None
