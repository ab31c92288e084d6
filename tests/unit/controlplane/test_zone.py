"""The zone tag: on every set of tags of a Dataplane, and nowhere else."""

from __future__ import annotations

from meshmeter.controlplane.zone import with_zone
from meshmeter.resources.codec import decode

DATAPLANE = {
    "type": "Dataplane",
    "mesh": "default",
    "name": "web-1",
    "networking": {
        "address": "127.0.0.1",
        "inbound": [
            {"port": 80, "tags": {"kuma.io/service": "web", "kuma.io/zone": "elsewhere"}},
            {"port": 81, "tags": {"kuma.io/service": "web-admin"}},
        ],
    },
}


def test_every_inbound_gets_the_zone_unless_it_names_one() -> None:
    tagged = with_zone(decode(DATAPLANE), "east")
    assert [inbound.tags["kuma.io/zone"] for inbound in tagged.spec.networking.inbound] == ["elsewhere", "east"]
    assert with_zone(tagged, "east") == tagged


def test_a_gateway_gets_it_too() -> None:
    networking = {"address": "127.0.0.1", "gateway": {"tags": {"kuma.io/service": "edge"}}}
    gateway = {**DATAPLANE, "networking": networking}
    assert with_zone(decode(gateway), "east").spec.networking.gateway.tags == {
        "kuma.io/service": "edge",
        "kuma.io/zone": "east",
    }


def test_other_kinds_stay_as_they_are() -> None:
    mesh = decode({"type": "Mesh", "name": "default"})
    assert with_zone(mesh, "east") is mesh
