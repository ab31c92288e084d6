"""Listeners of application traffic."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from meshmeter.envoy.listeners import MeshAccess, inbound_listener, outbound_listener
from meshmeter.envoy.protocols import Protocol
from support.snapshots import normal


def only_filter(listener: dict[str, Any]) -> dict[str, Any]:
    (chain,) = listener["filterChains"]
    assert "transportSocket" not in chain
    (network_filter,) = chain["filters"]
    found: dict[str, Any] = network_filter["typedConfig"]
    return found


def test_an_http_inbound() -> None:
    made = normal(inbound_listener("10.0.0.1", 80, "web", "localhost:8080", 8080, Protocol.HTTP))
    assert made["name"] == "inbound:10.0.0.1:80"
    assert made["address"] == {"socketAddress": {"address": "10.0.0.1", "portValue": 80}}
    assert made["trafficDirection"] == "INBOUND"
    assert made["enableReusePort"] is False
    manager = only_filter(made)
    assert manager["statPrefix"] == "localhost_8080"
    assert manager["routeConfig"]["name"] == "inbound:web"
    (host,) = manager["routeConfig"]["virtualHosts"]
    assert (host["name"], host["domains"]) == ("web", ["*"])
    (route,) = host["routes"]
    assert route["route"] == {"cluster": "localhost:8080", "timeout": "0s"}


def test_a_tcp_inbound() -> None:
    made = only_filter(normal(inbound_listener("::1", 80, "web", "localhost:80", 80, Protocol.TCP)))
    assert made == {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "statPrefix": "localhost_80",
        "cluster": "localhost:80",
    }


@pytest.mark.parametrize("permissive", [False, True])
def test_a_connection_by_a_certificate_ends_before_the_certificate(permissive: bool) -> None:
    """Plain connections, and TLS that is the application's business, may last."""
    access = MeshAccess("default", None, permissive, timedelta(hours=24))

    def chains(protocol: Protocol) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = normal(
            inbound_listener("10.0.0.1", 80, "web", "localhost:8080", 8080, protocol, access)
        )["filterChains"]
        return [chain["filters"][-1]["typedConfig"] for chain in found]

    http, *others = chains(Protocol.HTTP)
    assert http["commonHttpProtocolOptions"] == {"maxConnectionDuration": "3600s"}
    assert http["http1SafeMaxConnectionDuration"] is True
    assert not any("commonHttpProtocolOptions" in other for other in others)
    tcp, *others = chains(Protocol.TCP)
    assert tcp["maxDownstreamConnectionDuration"] == "43200s"
    assert not any("maxDownstreamConnectionDuration" in other for other in others)


@pytest.mark.parametrize("protocol", list(Protocol))
def test_nobody_instructs_by_headers(protocol: Protocol) -> None:
    for made in (
        inbound_listener("10.0.0.1", 80, "web", "localhost:8080", 8080, protocol),
        outbound_listener("127.0.0.1", 10001, "web", "web", protocol),
    ):
        http = only_filter(normal(made))
        if protocol.is_http:
            (extension,) = http["earlyHeaderMutationExtensions"]
            (mutation,) = extension["typedConfig"]["mutations"]
            assert mutation == {"removeOnMatch": {"keyMatcher": {"prefix": "x-envoy-"}}}
            assert http["internalAddressConfig"]["cidrRanges"] == [
                {"addressPrefix": "0.0.0.0", "prefixLen": 32}
            ]


@pytest.mark.parametrize("protocol", list(Protocol))
def test_an_outbound(protocol: Protocol) -> None:
    made = normal(outbound_listener("127.0.0.1", 10001, "web.v1", "web.v1-0123456789abcdef", protocol))
    assert made["name"] == "outbound:127.0.0.1:10001"
    assert made["trafficDirection"] == "OUTBOUND"
    network_filter = only_filter(made)
    assert network_filter["statPrefix"] == "web_v1"
    assert ("routeConfig" in network_filter) is protocol.is_http
