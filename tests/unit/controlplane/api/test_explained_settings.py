from __future__ import annotations

from support.explained import explain
from support.resources import dataplane, metered


def test_each_value_comes_with_its_origin_and_what_it_overrode() -> None:
    answer = explain(metered(port=1000), dataplane(conf={"port": 2000}))
    assert answer["settings"]["port"] == {
        "value": 2000,
        "origin": {
            "layer": "Dataplane",
            "resource": "Dataplane default/backend-1",
            "field": "metrics.conf.port",
            "writtenBy": "operator",
        },
        "overrode": [
            {
                "value": 1000,
                "origin": {
                    "layer": "Mesh",
                    "resource": "Mesh default",
                    "field": "metrics.backends[0].conf.port",
                },
            },
            {"value": 5670, "origin": {"layer": "default", "resource": "", "field": ""}},
        ],
    }
    assert answer["urls"] == ["http://192.168.0.1:2000/metrics"]


def test_the_applications_and_their_states() -> None:
    aggregate = [
        {"name": "app", "port": 80, "address": "::1"},
        {"name": "off", "port": 81, "enabled": False},
        {"name": "nowhere"},
    ]
    entries = explain(metered(aggregate=aggregate), dataplane())["aggregate"]
    assert [(e["name"], e["state"], e["url"]) for e in entries] == [
        ("app", "scraped", "http://[::1]:80/metrics"),
        ("off", "disabled", "http://192.168.0.1:81/metrics"),
        ("nowhere", "refused", None),
    ]
    assert entries[2]["finding"]["code"] == "aggregate-port-missing"
