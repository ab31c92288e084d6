"""Documents that are only large: refused before they cost anything, by whatever way they come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.access import register
from support.processes import ControlPlane, Processes, document, eventually, get, start_control_plane


def a_dataplane(name: str, inbounds: int = 1, entries: int = 0, tags: int = 0) -> dict[str, Any]:
    more = {f"t{n}": "x" for n in range(tags)}
    inbound = [
        {"port": 1024 + n, "servicePort": 30000 + n, "tags": {"kuma.io/service": "web", **more}}
        for n in range(inbounds)
    ]
    conf = {"aggregate": [{"name": f"e{n}", "port": 1 + n} for n in range(entries)]}
    return {
        "type": "Dataplane",
        "mesh": "default",
        "name": name,
        "networking": {"address": "127.0.0.9", "inbound": inbound},
        "metrics": {"type": "prometheus", "conf": conf},
    }


HUGE = (
    (a_dataplane("inbounds", inbounds=9000), "networking.inbound", "9000", "max_inbounds"),
    (a_dataplane("entries", entries=8000), "metrics.conf.aggregate", "8000", "max_aggregate_entries"),
    (a_dataplane("tags", tags=9000), "networking.inbound[0].tags", "9001", "max_tags"),
)


@pytest.mark.attack("B4: one registration, or one apply, with thousands of inbounds, entries or tags")
def test_huge_documents_are_refused_whatever_way_they_come(control_plane: ControlPlane) -> None:
    token = control_plane.ok("token", "dataplane", "--mesh", "default").strip()
    for made, field, number, setting in HUGE:
        status, text = register(control_plane, made, token)
        assert status == 400, text
        (fault,) = [f for f in json.loads(text)["invalid_parameters"] if f["field"] == field]
        applied = control_plane.run("apply", "-f", "-", stdin=document(**made))
        assert applied.returncode != 0
        for said in (fault["reason"], applied.stderr):
            assert number in said and setting in said
    assert json.loads(get(control_plane.url("discovery") + "/v1/targets")[1]) == []


def test_the_limits_are_settings_and_what_is_stored_above_them_is_served(
    processes: Processes, tmp_path: Path
) -> None:
    control_plane = start_control_plane(processes, tmp_path, "--max-inbounds=400")
    control_plane.ok("apply", "-f", "-", stdin=document(**a_dataplane("wide", inbounds=300)))
    control_plane.process.stop()
    control_plane.options = ("--max-inbounds=2",)
    control_plane.restart()

    def listed() -> bool:
        return "wide" in get(control_plane.url("discovery") + "/v1/targets")[1]

    eventually(listed, "the stored Dataplane as a target")
    told = json.loads(control_plane.ok("explain", "dataplane", "wide", "-o", "json"))
    (found,) = [each for each in told["findings"] if each["code"] == "resource-too-large"]
    assert "has 300 entries" in found["message"] and "at most 2 (max_inbounds" in found["message"]
    again = control_plane.run("apply", "-f", "-", stdin=document(**a_dataplane("wide", inbounds=3)))
    assert again.returncode != 0 and "--max-inbounds" in again.stderr
