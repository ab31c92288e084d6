"""Which addresses and ports a Dataplane already uses."""

from __future__ import annotations

from typing import Any

import pytest

from meshmeter.effective.interfaces import (
    Interface,
    Use,
    interfaces,
    listen_address,
    own_addresses,
    reachable_address,
    taken_by,
)
from meshmeter.resources.dataplane import DataplaneSpec


def spec(**networking: Any) -> DataplaneSpec:
    return DataplaneSpec.model_validate({"networking": networking})


def test_every_interface_with_the_field_that_opens_it() -> None:
    found = list(
        interfaces(
            spec(
                address="192.168.0.1",
                inbound=[
                    {"port": 80, "servicePort": 8080},
                    {"port": 443, "address": "192.168.0.2", "serviceAddress": "127.0.0.1"},
                ],
                outbound=[{"port": 5432}, {"port": 6379, "address": "127.0.0.9"}],
            )
        )
    )
    assert found == [
        Interface("192.168.0.1", 80, Use.INBOUND, "networking.inbound[0].port"),
        Interface("192.168.0.1", 8080, Use.APPLICATION, "networking.inbound[0].servicePort"),
        Interface("192.168.0.2", 443, Use.INBOUND, "networking.inbound[1].port"),
        Interface("127.0.0.1", 443, Use.APPLICATION, "networking.inbound[1].port"),
        Interface("127.0.0.1", 5432, Use.OUTBOUND, "networking.outbound[0].port"),
        Interface("127.0.0.9", 6379, Use.OUTBOUND, "networking.outbound[1].port"),
    ]


def test_an_entry_without_port_or_address_uses_nothing() -> None:
    assert list(interfaces(DataplaneSpec())) == []
    assert list(interfaces(spec(inbound=[{"port": 80}], outbound=[{}]))) == []
    assert list(interfaces(spec(address="192.168.0.1", inbound=[{}]))) == []


@pytest.mark.parametrize(
    ("address", "port", "use"),
    [
        ("192.168.0.1", 80, Use.INBOUND),
        ("0.0.0.0", 80, Use.INBOUND),
        ("::", 8080, Use.APPLICATION),
        ("127.0.0.1", 5432, Use.OUTBOUND),
        ("192.168.0.1", 5432, None),
        ("192.168.0.2", 80, None),
        ("192.168.0.1", 81, None),
    ],
)
def test_taken_by(address: str, port: int, use: Use | None) -> None:
    subject = spec(
        address="192.168.0.1", inbound=[{"port": 80, "servicePort": 8080}], outbound=[{"port": 5432}]
    )
    taken = taken_by(subject, address, port)
    assert (taken.use if taken else None) == use


def test_a_host_name_collides_with_itself_only() -> None:
    subject = spec(address="Web.example", inbound=[{"port": 80}])
    assert taken_by(subject, "web.example", 80) is not None
    assert taken_by(subject, "192.168.0.1", 80) is None


def test_prometheus_uses_the_advertised_address_and_envoy_binds_the_other() -> None:
    subject = spec(address="10.0.0.1", advertisedAddress="192.168.0.1")
    assert listen_address(subject) == "10.0.0.1"
    assert reachable_address(subject) == "192.168.0.1"
    assert reachable_address(spec(address="10.0.0.1")) == "10.0.0.1"
    assert reachable_address(DataplaneSpec()) == ""


def test_own_addresses_without_repetition() -> None:
    subject = spec(
        address="10.0.0.1",
        advertisedAddress="192.168.0.1",
        inbound=[{"port": 1, "address": "10.0.0.1"}, {"port": 2, "serviceAddress": "10.0.0.7"}],
    )
    assert own_addresses(subject) == ("10.0.0.1", "192.168.0.1", "10.0.0.7")
    assert own_addresses(DataplaneSpec()) == ()


def test_a_metrics_proxy_is_an_interface_on_loopback() -> None:
    made = spec(address="192.168.0.1", metricsProxy={"port": 15100})
    assert list(interfaces(made)) == [
        Interface("127.0.0.1", 15100, Use.METRICS_PROXY, "networking.metricsProxy.port")
    ]
    assert taken_by(made, "127.0.0.1", 15100) is not None
    assert taken_by(made, "192.168.0.1", 15100) is None
    assert list(interfaces(spec(address="192.168.0.1", metricsProxy={}))) == []
