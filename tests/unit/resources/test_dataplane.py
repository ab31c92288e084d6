from __future__ import annotations

from meshmeter.resources.codec import decode, to_universal
from meshmeter.resources.dataplane import DataplaneSpec, Inbound, Networking, tag_values


def test_the_wire_names_are_kuma_s() -> None:
    spec = DataplaneSpec.model_validate(
        {
            "networking": {
                "address": "10.0.0.1",
                "advertisedAddress": "1.2.3.4",
                "inbound": [{"port": 80, "servicePort": 8080, "serviceAddress": "127.0.0.1"}],
            }
        }
    )

    inbound = Inbound(port=80, service_port=8080, service_address="127.0.0.1")
    assert spec.networking == Networking(address="10.0.0.1", advertised_address="1.2.3.4", inbound=(inbound,))


def test_all_values_of_a_tag_count() -> None:
    spec = DataplaneSpec.model_validate(
        {
            "networking": {
                "address": "10.0.0.1",
                "inbound": [
                    {"port": 80, "tags": {"kuma.io/service": "web"}},
                    {"port": 81, "tags": {"kuma.io/service": "admin", "team": "a"}},
                    {"port": 82},
                ],
            }
        }
    )
    assert tag_values(spec) == {"kuma.io/service": {"web", "admin"}, "team": {"a"}}
    gateway = DataplaneSpec.model_validate({"networking": {"gateway": {"tags": {"kuma.io/service": "edge"}}}})
    assert tag_values(gateway) == {"kuma.io/service": {"edge"}}
    assert tag_values(DataplaneSpec()) == {}


def test_what_later_releases_of_kuma_know_is_kept() -> None:
    document = {
        "type": "Dataplane",
        "mesh": "m",
        "name": "d",
        "networking": {
            "address": "127.0.0.1",
            "listeners": [{"type": "ZoneIngress", "address": "127.0.0.1", "port": 10001, "state": "Ready"}],
        },
        "envoy": {"xdsTransportProtocolVariant": "DELTA_GRPC"},
    }
    kept = to_universal(decode(document))
    assert kept["networking"] == document["networking"]
    assert kept["envoy"] == document["envoy"]
