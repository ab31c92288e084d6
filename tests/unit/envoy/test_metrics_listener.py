"""When and how the metrics endpoint opens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from meshmeter.effective.metrics import EffectiveMetrics, effective_metrics
from meshmeter.envoy.metrics_listener import metrics_listener
from meshmeter.envoy.proxy import ProxyInfo
from support.resources import dataplane, metered, permission
from support.snapshots import normal

PROXY = ProxyInfo("default", "backend-1", "/a.sock", "/b.sock")


def effective(
    *, mtls: bool = False, conf: dict[str, Any] | None = None, **mesh_conf: Any
) -> EffectiveMetrics:
    found = effective_metrics(metered(mtls=mtls, **mesh_conf), dataplane(conf=conf))
    assert found is not None
    return found


def made(settings: EffectiveMetrics, proxy: ProxyInfo = PROXY) -> dict[str, Any]:
    listener = metrics_listener(settings, "192.168.0.1", proxy)
    assert listener is not None
    return normal(listener)


def manager(listener: dict[str, Any]) -> dict[str, Any]:
    (chain,) = listener["filterChains"]
    (network_filter,) = chain["filters"]
    found: dict[str, Any] = network_filter["typedConfig"]
    return found


def test_the_effective_port_and_path() -> None:
    listener = made(effective(port=1234, conf={"path": "/custom"}))
    assert listener["name"] == "kuma:metrics:prometheus"
    assert listener["address"] == {"socketAddress": {"address": "192.168.0.1", "portValue": 1234}}
    assert listener["enableReusePort"] is False
    http = manager(listener)
    assert http["statPrefix"] == "kuma_metrics_prometheus"
    (host,) = http["routeConfig"]["virtualHosts"]
    scrape, others = host["routes"]
    assert scrape["match"]["path"] == others["match"]["path"] == "/custom"
    assert scrape["match"]["headers"] == [
        {"name": ":method", "stringMatch": {"safeRegex": {"regex": "GET|HEAD"}}}
    ]
    assert scrape["route"] == {
        "cluster": "kuma:metrics:hijacker",
        "prefixRewrite": "/metrics",
        "timeout": "90s",
    }
    assert others["directResponse"] == {"status": 405}


def test_filters_are_the_agents_business() -> None:
    plain = made(effective())
    assert made(effective(envoy={"filterRegex": "a.*", "usedOnly": True})) == plain


def test_clients_are_bounded_and_known_by_their_connections() -> None:
    http = manager(made(effective()))
    assert http["internalAddressConfig"] == {"cidrRanges": [{"addressPrefix": "0.0.0.0", "prefixLen": 32}]}
    assert http["useRemoteAddress"] is http["skipXffAppend"] is True
    assert http["codecType"] == "HTTP1"
    assert http["maxRequestHeadersKb"] == 16
    assert http["requestHeadersTimeout"] == "10s"
    assert http["commonHttpProtocolOptions"] == {"idleTimeout": "75s"}


def test_a_connection_by_a_certificate_ends_before_the_certificate() -> None:
    for lifetime, lasts in ((timedelta(hours=24), "3600s"), (timedelta(seconds=5), "2.500s")):
        listener = metrics_listener(effective(mtls=True), "192.168.0.1", PROXY, lifetime=lifetime)
        assert listener is not None
        (chain,) = normal(listener)["filterChains"]
        http = chain["filters"][1]["typedConfig"]
        assert http["commonHttpProtocolOptions"]["maxConnectionDuration"] == lasts
        assert http["http1SafeMaxConnectionDuration"] is True
        assert chain["transportSocketConnectTimeout"] == "10s"


@pytest.mark.parametrize(
    "settings",
    [
        effective(mtls=True),
        effective(tls={"mode": "providedTLS"}),
        effective(mtls=True, tls={"mode": "providedTLS"}),
        effective(conf={"port": 8080}),
    ],
    ids=["mtls", "provided", "provided in an mtls mesh", "port taken by the inbound"],
)
def test_what_cannot_be_protected_or_bound_stays_closed(settings: EffectiveMetrics) -> None:
    assert metrics_listener(settings, "192.168.0.1", PROXY) is None


def test_disabled_in_an_mtls_mesh_is_plain_on_request() -> None:
    (chain,) = made(effective(mtls=True, tls={"mode": "disabled"}))["filterChains"]
    assert "transportSocket" not in chain


def test_behind_mtls_the_permission_comes_before_the_request() -> None:
    allowed = permission("metrics", sources=[{"kuma.io/service": "prometheus"}], destinations=[{}])
    listener = metrics_listener(
        effective(mtls=True), "192.168.0.1", PROXY, lifetime=timedelta(hours=24), permission=allowed
    )
    assert listener is not None
    (chain,) = normal(listener)["filterChains"]
    access, http = chain["filters"]
    assert (
        access["name"] == "envoy.filters.network.rbac"
        and "metrics" in access["typedConfig"]["rules"]["policies"]
    )
    assert http["name"] == "envoy.filters.network.http_connection_manager"
    assert chain["transportSocket"]["typedConfig"]["requireClientCertificate"] is True


def test_behind_mtls_nobody_scrapes_without_a_permission() -> None:
    listener = metrics_listener(effective(mtls=True), "192.168.0.1", PROXY, lifetime=timedelta(hours=24))
    assert listener is not None
    access, _ = listener["filterChains"][0]["filters"]
    assert access["typedConfig"]["rules"] == {}  # Envoy lets nobody in then


def test_a_provided_certificate_is_read_where_the_agent_puts_it() -> None:
    proxy = ProxyInfo("default", "b", "/a", "/b", metrics_sds_path="/work/certificate/sds.json")
    (chain,) = made(effective(tls={"mode": "providedTLS"}), proxy)["filterChains"]
    context = chain["transportSocket"]["typedConfig"]["commonTlsContext"]
    (secret,) = context["tlsCertificateSdsSecretConfigs"]
    assert secret["sdsConfig"]["pathConfigSource"] == {
        "path": "/work/certificate/sds.json",
        "watchedDirectory": {"path": "/work/certificate"},
    }
    assert [f["name"] for f in chain["filters"]] == ["envoy.filters.network.http_connection_manager"]
