from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from meshmeter.cli.tables import TABLES
from meshmeter.resources.kinds import KINDS

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_every_kind_has_a_table() -> None:
    assert TABLES.keys() == KINDS.keys()
    for table in TABLES.values():
        assert table([], NOW).isupper()


def test_meshes_show_what_is_enabled() -> None:
    text = TABLES["Mesh"](
        [
            {"name": "a", "metrics": {"enabledBackend": "p"}, "creationTime": "2025-12-31T00:00:00Z"},
            {"name": "b", "mtls": {"enabledBackend": "ca"}, "metrics": {}},
        ],
        NOW,
    )
    assert [line.split() for line in text.splitlines()[1:]] == [
        ["a", "off", "p", "1d"],
        ["b", "ca", "off", "-"],
    ]


def test_dataplanes_show_state_tags_and_what_envoy_refused() -> None:
    def overview(**fields: Any) -> dict[str, Any]:
        networking = {
            "address": "10.0.0.1",
            "inbound": [{"tags": {"kuma.io/service": s}} for s in ("a", "b")] + [{}],
        }
        return {
            "mesh": "m",
            "name": "n",
            "dataplane": {"networking": networking},
            "status": "online",
            "metrics": "serving",
            "nack": None,
        } | fields

    text = TABLES["Dataplane"](
        [
            overview(),
            overview(status="rejected", finding="listener-rejected", nack={"message": "cannot\nbind"}),
            overview(dataplane={}),
            overview(metrics="refused", finding="metrics-port-conflict"),
        ],
        NOW,
    )
    first, second, third, fourth = text.splitlines()[1:]
    assert fourth.endswith("metrics-port-conflict")
    assert "kuma.io/service=a,b" in first and "online" in first and "10.0.0.1" in first
    assert "rejected" in second and second.endswith("listener-rejected: cannot bind")
    assert third.split()[:3] == ["m", "n", "online"]


def test_permissions_show_who_may_call_whom() -> None:
    item = {
        "mesh": "m",
        "name": "p",
        "sources": [{"match": {"b": "1", "a": "2"}}, {"match": {"c": "*"}}],
        "destinations": [{}],
    }
    assert "a=2,b=1 | c=*" in TABLES["TrafficPermission"]([item], NOW)
