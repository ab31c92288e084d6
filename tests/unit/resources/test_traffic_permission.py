from __future__ import annotations

from meshmeter.resources.traffic_permission import Selector, TrafficPermissionSpec


def test_sources_and_destinations_are_selectors() -> None:
    everything = {"match": {"kuma.io/service": "*"}}

    spec = TrafficPermissionSpec.model_validate({"sources": [everything], "destinations": [everything]})

    selector = Selector(match={"kuma.io/service": "*"})
    assert spec == TrafficPermissionSpec(sources=(selector,), destinations=(selector,))
