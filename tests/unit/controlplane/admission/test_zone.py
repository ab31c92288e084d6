from __future__ import annotations

from typing import Any

import pytest

from meshmeter.controlplane.admission.zone import with_zone
from meshmeter.resources.resource import Resource
from support.resources import dataplane, mesh, permission


def tags_of(resource: Resource[Any]) -> list[dict[str, str] | None]:
    networking = resource.spec.networking
    found = [inbound.tags for inbound in networking.inbound or ()]
    return [*found, networking.gateway.tags] if networking.gateway else found


def test_every_inbound_with_tags_gets_the_zone() -> None:
    inbound = [{"port": 1, "tags": {"kuma.io/service": "a"}}, {"port": 2}]
    assert tags_of(with_zone(dataplane(inbound=inbound), "east")) == [
        {"kuma.io/service": "a", "kuma.io/zone": "east"},
        None,
    ]


def test_a_gateway_gets_it_too() -> None:
    gateway = {"tags": {"kuma.io/service": "gw"}}
    assert tags_of(with_zone(dataplane(inbound=[], gateway=gateway), "east")) == [
        {"kuma.io/service": "gw", "kuma.io/zone": "east"}
    ]


def test_a_zone_that_is_written_stays() -> None:
    inbound = [{"port": 1, "tags": {"kuma.io/service": "a", "kuma.io/zone": "west"}}]
    subject = dataplane(inbound=inbound)
    assert with_zone(subject, "east") is subject


@pytest.mark.parametrize("resource", [mesh(), permission("p", sources=[], destinations=[])])
def test_other_kinds_are_unchanged(resource: Resource[Any]) -> None:
    assert with_zone(resource, "east") is resource
