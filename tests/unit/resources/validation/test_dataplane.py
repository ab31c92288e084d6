from __future__ import annotations

from typing import Any

import pytest

from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.validation.dataplane import collides, dataplane_violations

TAGS = {"kuma.io/service": "web"}
RANGE = "port must be in the range [1, 65535]"


def faults(networking: dict[str, Any] | None, **spec: Any) -> list[str]:
    networking = networking if networking is None else {"address": "10.0.0.1", **networking}
    model = DataplaneSpec.model_validate({"networking": networking, **spec})
    return [str(violation) for violation in dataplane_violations(model)]


def inbound(**fields: Any) -> list[str]:
    return faults({"inbound": [{"port": 80, "tags": TAGS, **fields}]})


def outbound(**fields: Any) -> list[str]:
    return faults({"outbound": [{"port": 80, "tags": TAGS, **fields}]})


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "address can't be empty"),
        ("::", "must not be 0.0.0.0 or ::"),
        ("a b", "address has to be valid IP address or domain name"),
        ("2852039166", "address has to be valid IP address or domain name"),
        ("0xa9fea9fe", "address has to be valid IP address or domain name"),
        ("169.254.169.254", "must be neither link-local nor where a cloud's metadata service answers"),
        ("::ffff:169.254.169.254", "must be neither link-local nor where a cloud's metadata service answers"),
        ("fe80::1", "must be neither link-local nor where a cloud's metadata service answers"),
        (
            "metadata.google.internal",
            "must be neither link-local nor where a cloud's metadata service answers",
        ),
    ],
)
def test_addresses(address: str, reason: str) -> None:
    assert faults({"address": address}) == [f"networking.address: {reason}"]
    assert faults({"advertisedAddress": address}) == [f"networking.advertisedAddress: {reason}"]


def test_a_dataplane_has_networking() -> None:
    assert faults(None) == ["networking: must be defined"]


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"port": None}, f"port: {RANGE}"),
        ({"servicePort": 0}, f"servicePort: {RANGE}"),
        ({"address": "web"}, "address: address has to be valid IP address"),
        ({"serviceAddress": "web"}, "serviceAddress: serviceAddress has to be valid IP address"),
        (
            {"serviceAddress": "10.0.0.1", "servicePort": 80},
            "serviceAddress: serviceAddress and servicePort has to differ from address and port",
        ),
        ({"state": "Up"}, 'state: must be one of "Ready", "NotReady", "Ignored"'),
        (
            {"protocol": "udp"},
            'protocol: protocol has an invalid value "udp". Allowed values: grpc, http, http2, kafka, tcp',
        ),
        ({"tags": {"a": "b"}}, 'tags["kuma.io/service"]: tag has to exist'),
        (
            {"tags": TAGS | {"kuma.io/protocol": "udp"}},
            'tags["kuma.io/protocol"]: tag "kuma.io/protocol" has an invalid value "udp".'
            " Allowed values: grpc, http, http2, kafka, tcp",
        ),
    ],
)
def test_inbounds(fields: dict[str, Any], fault: str) -> None:
    assert inbound(**fields) == [f"networking.inbound[0].{fault}"]


@pytest.mark.parametrize(
    "fields",
    [
        {"tags": None},
        {"tags": TAGS | {"kuma.io/protocol": "HTTP"}},
        {"serviceAddress": "10.0.0.1", "servicePort": 8080},
        {"serviceAddress": "127.0.0.1"},
        {"state": "NotReady", "protocol": "grpc"},
        {"protocol": "mysql", "tags": TAGS | {"kuma.io/protocol": "TLS"}},
    ],
)
def test_good_inbounds(fields: dict[str, Any]) -> None:
    assert inbound(**fields) == []


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"port": 65536}, f"port: {RANGE}"),
        ({"address": "web"}, "address: address has to be valid IP address"),
        ({"tags": None}, 'tags: mandatory tag "kuma.io/service" is missing'),
        ({"backendRef": {}}, "backendRef: tags and backendRef cannot be defined together"),
    ],
)
def test_outbounds(fields: dict[str, Any], fault: str) -> None:
    assert outbound(**fields) == [f"networking.outbound[0].{fault}"]


def test_an_outbound_may_name_a_backend_instead_of_tags() -> None:
    assert outbound(tags=None, backendRef={"kind": "MeshService"}) == []


@pytest.mark.parametrize(
    ("networking", "fault"),
    [
        ({"inbound": [{"port": 9901, "address": "127.0.0.1", "tags": TAGS}]}, "must differ from inbound"),
        (
            {"inbound": [{"port": 1, "servicePort": 9901, "serviceAddress": "127.0.0.1", "tags": TAGS}]},
            "must differ from inbound",
        ),
        ({"outbound": [{"port": 9901, "tags": TAGS}]}, "must differ from outbound"),
        ({"admin": {"port": 0}}, RANGE),
        ({"inbound": [{"port": 9901, "tags": TAGS}]}, None),
        ({"outbound": [{"port": 9901, "address": "10.0.0.1", "tags": TAGS}]}, None),
    ],
)
def test_the_administration_port(networking: dict[str, Any], fault: str | None) -> None:
    found = faults({"admin": {"port": 9901}, **networking})

    assert found == ([f"networking.admin.port: {fault}"] if fault else [])


def test_a_gateway_has_no_inbounds_and_a_builtin_one_no_outbounds() -> None:
    sides = {"inbound": [{"port": 80}], "outbound": [{"port": 80, "tags": TAGS}]}

    assert faults({"gateway": {"tags": TAGS}, **sides}) == [
        "networking.inbound: inbound cannot be defined for delegated gateways"
    ]
    assert faults({"gateway": {"tags": TAGS, "type": "BUILTIN"}, **sides}, probes={}) == [
        "networking.inbound: inbound cannot be defined for builtin gateways",
        "networking.outbound: outbound cannot be defined for builtin gateways",
        "probes: probes cannot be defined for builtin gateways",
    ]
    assert faults({"gateway": {"tags": TAGS, "type": "X"}}) == [
        'networking.gateway.type: must be one of "DELEGATED", "BUILTIN"'
    ]


@pytest.mark.parametrize("networking", [{}, {"gateway": {"tags": TAGS}}])
def test_metrics_are_judged_whatever_sort_of_proxy_it_is(networking: dict[str, Any]) -> None:
    metrics = {"type": "prometheus", "conf": {"port": 0}}

    assert faults(networking, metrics=metrics) == [f"metrics.conf.port: {RANGE}"]
    assert faults(networking, metrics={}) == [
        'metrics.type: unknown backend type. Available backends: "prometheus"'
    ]


@pytest.mark.parametrize(
    ("one", "other", "answer"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("::1", "0:0::1", True),
        ("0.0.0.0", "10.0.0.1", True),
        ("web", "WEB", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("web", "10.0.0.2", False),
        (None, "10.0.0.1", False),
        ("", "", False),
    ],
)
def test_collisions(one: str | None, other: str | None, answer: bool) -> None:
    assert collides(one, other) is collides(other, one) is answer


@pytest.mark.parametrize(
    ("proxy", "fault"),
    [
        ({}, f"networking.metricsProxy.port: {RANGE}"),
        ({"port": 70000}, f"networking.metricsProxy.port: {RANGE}"),
        (
            {"port": 1, "address": "here"},
            "networking.metricsProxy.address: address has to be valid IP address",
        ),
        ({"port": 1, "address": "10.0.0.1"}, "networking.metricsProxy.address: must be a loopback address"),
        ({"port": 1, "address": "0.0.0.0"}, "networking.metricsProxy.address: must be a loopback address"),
        ({"port": 81}, "networking.metricsProxy.port: must differ from outbound"),
    ],
)
def test_a_metrics_proxy_is_a_port_on_loopback(proxy: dict[str, Any], fault: str) -> None:
    assert faults({"outbound": [{"port": 81, "tags": TAGS}], "metricsProxy": proxy}) == [fault]


def test_a_metrics_proxy_and_an_inbound_do_not_share_a_port() -> None:
    networking = {"address": "127.0.0.1", "inbound": [{"port": 80, "tags": TAGS}]}
    assert faults(networking | {"metricsProxy": {"port": 80}}) == [
        "networking.metricsProxy.port: must differ from inbound"
    ]
    assert faults(networking | {"metricsProxy": {"port": 80, "address": "127.0.0.2"}}) == []
    assert faults({"metricsProxy": {"port": 15100, "address": "::1"}}) == []
