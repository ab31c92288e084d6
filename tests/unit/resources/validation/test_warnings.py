from __future__ import annotations

from typing import Any

import pytest

from meshmeter.resources.codec import decode
from meshmeter.resources.validation.rules import warnings

ITSELF = "points at the metrics endpoint itself"


def mesh(conf: dict[str, Any] | None = None, **metrics: Any) -> list[tuple[str, str]]:
    backend = {"name": "p", "type": "prometheus", **({"conf": conf} if conf else {})}
    document = {
        "type": "Mesh",
        "name": "m",
        "metrics": {"enabledBackend": "p", "backends": [backend], **metrics},
    }
    return told(document)


def dataplane(conf: dict[str, Any], **networking: Any) -> list[tuple[str, str]]:
    return told(
        {
            "type": "Dataplane",
            "mesh": "m",
            "name": "d",
            "networking": {"address": "10.0.0.1", **networking},
            "metrics": {"type": "prometheus", "conf": conf},
        }
    )


def told(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(warning.field, warning.reason) for warning in warnings(decode(document))]


def test_nothing_is_told_without_need() -> None:
    entry = {"name": "app", "port": 8080}
    inbound = [{"port": 80, "tags": {"kuma.io/service": "d"}}]

    assert told({"type": "Mesh", "name": "m"}) == []
    assert mesh({"port": 5670, "tls": {"mode": "disabled"}, "aggregate": [entry]}) == []
    assert dataplane({"port": 5670, "aggregate": [entry]}, inbound=inbound, admin={"port": 9901}) == []


def test_the_older_spelling_is_deprecated() -> None:
    assert mesh({"skipMTLS": True}) == [
        ("metrics.backends[0].conf.skipMTLS", "is deprecated, write tls.mode: disabled instead")
    ]
    assert dataplane({"skipMTLS": False}) == [
        ("metrics.conf.skipMTLS", "is deprecated, write tls.mode: activeMTLSBackend instead")
    ]


def test_backends_that_nothing_enables() -> None:
    assert mesh(enabledBackend="") == [
        ("metrics.enabledBackend", "is empty: metrics are off although backends are defined")
    ]
    assert mesh(backends=[{"type": "prometheus"}, {"name": "p", "type": "prometheus"}]) == [
        ("metrics.backends[0].name", "is empty: enabledBackend cannot refer to this backend")
    ]


def test_an_entry_of_a_mesh_without_a_port_depends_on_the_dataplanes() -> None:
    at = "metrics.backends[0].conf.aggregate[0].port"

    assert [field for field, _ in mesh({"aggregate": [{"name": "app"}]})] == [at]
    assert mesh({"aggregate": [{"name": "app", "enabled": False}]}) == []


@pytest.mark.parametrize("conf", [{}, {"port": 5670}])
def test_an_entry_of_a_mesh_at_the_metrics_endpoint(conf: dict[str, Any]) -> None:
    assert mesh(conf | {"aggregate": [{"name": "app", "port": 5670}]}) == [
        ("metrics.backends[0].conf.aggregate[0].port", "points at the metrics endpoint itself")
    ]
    assert mesh(conf | {"aggregate": [{"name": "app", "port": 5670, "address": "127.0.0.1"}]}) == []


def test_a_metrics_port_that_an_inbound_has() -> None:
    tags = {"kuma.io/service": "d"}
    reason = "is also a port of networking.inbound[1]: metrics will not be served"

    assert dataplane({"port": 80}, inbound=[{"port": 81, "tags": tags}, {"port": 80, "tags": tags}]) == [
        ("metrics.conf.port", reason)
    ]
    assert dataplane({"port": 80}, inbound=[{"port": 80, "address": "10.0.0.2", "tags": tags}]) == []
    for application, told_of in (("127.0.0.1", 0), (None, 1), ("10.0.0.1", 1)):
        inbound = {"port": 81, "servicePort": 80, "serviceAddress": application, "tags": tags}
        assert len(dataplane({"port": 80}, inbound=[inbound])) == told_of


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"port": 5670}, f"{ITSELF}, unless the Mesh sets another port"),
        ({"port": 5670, "address": "10.0.0.1"}, f"{ITSELF}, unless the Mesh sets another port"),
        ({"port": 5670, "address": "127.0.0.1"}, None),
        ({"port": 5670, "enabled": False}, None),
        ({"port": 9901}, "points at the proxy's own administration interface"),
        ({"port": 9901, "address": "127.0.0.1"}, "points at the proxy's own administration interface"),
        ({"port": 9901, "address": "localhost"}, "points at the proxy's own administration interface"),
        ({"port": 9901, "address": "10.0.0.9"}, None),
        ({}, None),
    ],
)
def test_an_entry_of_a_dataplane_that_points_back(entry: dict[str, Any], reason: str | None) -> None:
    found = dataplane({"aggregate": [{"name": "app", **entry}]}, admin={"port": 9901})

    assert found == ([("metrics.conf.aggregate[0].port", reason)] if reason else [])


def test_an_entry_at_the_dataplane_s_own_metrics_port() -> None:
    assert dataplane({"port": 1234, "aggregate": [{"name": "app", "port": 1234}]}) == [
        ("metrics.conf.aggregate[0].port", ITSELF)
    ]


def test_names_that_a_later_release_would_refuse() -> None:
    assert [field for field, _ in told({"type": "Mesh", "name": "1.mesh"})] == ["name"]
