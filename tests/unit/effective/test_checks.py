"""What the resources alone tell about an endpoint."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from meshmeter.effective.credentials import CertificateState, Credentials, ProvidedCertificate
from meshmeter.effective.metrics import EffectiveMetrics, effective_metrics
from meshmeter.effective.own_ports import OwnPorts
from meshmeter.resources.resource import EPOCH
from support.resources import dataplane, metered, permission


def effective(
    conf: dict[str, Any], *, mtls: bool = False, on_dataplane: dict[str, Any] | None = None, **rest: Any
) -> EffectiveMetrics:
    options = {
        name: rest.pop(name)
        for name in ("allowed_networks", "permissions", "credentials", "own_ports")
        if name in rest
    }
    found = effective_metrics(metered(mtls=mtls, **conf), dataplane(conf=on_dataplane, **rest), **options)
    assert found is not None
    return found


def codes(found: EffectiveMetrics) -> list[str]:
    return [finding.code for finding in found.findings]


# The listener


@pytest.mark.parametrize(
    ("port", "named"),
    [(8080, "networking.inbound[0].port"), (8081, "networking.inbound[0].servicePort")],
)
def test_a_port_of_an_inbound_is_refused_and_named(port: int, named: str) -> None:
    found = effective({"port": port})
    assert codes(found) == ["metrics-port-conflict"]
    assert named in found.findings[0].message and str(port) in found.findings[0].message
    assert found.findings[0].field == "metrics.backends[0].conf.port"
    assert not found.serves


def test_an_outbound_conflicts_only_on_an_overlapping_address() -> None:
    assert effective({"port": 5432}, outbound=[{"port": 5432}]).serves
    assert not effective({"port": 5432}, outbound=[{"port": 5432, "address": "0.0.0.0"}]).serves


def test_the_admin_port_is_refused() -> None:
    found = effective({}, on_dataplane={"port": 9901}, admin={"port": 9901})
    assert codes(found) == ["metrics-port-is-admin-port"]
    assert found.findings[0].field == "metrics.conf.port"


@pytest.mark.parametrize(
    ("networking", "field"),
    [
        ({"address": "169.254.169.254"}, "networking.address"),
        ({"advertisedAddress": "2852039166"}, "networking.advertisedAddress"),
        ({"advertisedAddress": "::ffff:169.254.1.1"}, "networking.advertisedAddress"),
        ({"advertisedAddress": "168.63.129.16"}, "networking.advertisedAddress"),
    ],
)
def test_nobody_is_led_to_a_metadata_service(networking: dict[str, Any], field: str) -> None:
    """Validation refuses it; what is stored already is a finding and no target."""
    found = effective({}, **networking)
    assert [(f.code, f.field) for f in found.findings] == [("metrics-address-refused", field)]
    assert not found.serves and not found.listed


OURS = OwnPorts((("127.0.0.1", 5681, "the resource API"),), frozenset({"192.168.0.1"}))


def test_nobody_is_led_to_the_control_plane() -> None:
    found = effective({"port": 5681}, address="127.0.0.1", own_ports=OURS)
    assert codes(found) == ["metrics-port-of-control-plane"]
    assert not found.serves and not found.listed
    assert effective({"port": 5681}, own_ports=OURS).listed
    assert effective({"port": 5670}, address="127.0.0.1", own_ports=OURS).listed


@pytest.mark.parametrize(("later", "expected"), [(True, ["metrics-port-of-other-proxy"]), (False, [])])
def test_a_port_of_an_older_dataplane_at_the_same_address_is_its_own(
    later: bool, expected: list[str]
) -> None:
    moments = [EPOCH, EPOCH + timedelta(seconds=1)]
    other, mine = (
        replace(made, meta=replace(made.meta, creation_time=moment))
        for made, moment in zip(
            (
                dataplane("first", address="10.0.0.1"),
                dataplane("second", address="10.0.0.2", advertisedAddress="10.0.0.1", inbound=[]),
            ),
            moments if later else reversed(moments),
            strict=True,
        )
    )
    found = effective_metrics(metered(port=8081), mine, neighbours=(other,))
    assert found is not None and codes(found) == expected
    assert found.listed is not later


@pytest.mark.parametrize(
    ("address", "own", "expected"),
    [
        ("127.0.0.1", "192.168.0.1", ["aggregate-is-control-plane"]),
        ("2130706433", "192.168.0.1", ["aggregate-is-control-plane"]),
        ("127.0.0.1", "192.168.0.2", []),
    ],
)
def test_no_entry_leads_to_the_control_plane_of_its_host(address: str, own: str, expected: list[str]) -> None:
    entry = {"name": "x", "port": 5681, "address": address}
    assert codes(effective({"aggregate": [entry]}, address=own, own_ports=OURS)) == expected


PROVIDED = {"tls": {"mode": "providedTLS"}}
EXPIRED = ProvidedCertificate(CertificateState.EXPIRED, "/tls/cert expired at 2026-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("conf", "credentials", "code"),
    [
        ({}, Credentials(authority_fault="no key"), "mesh-ca-unusable"),
        (PROVIDED, Credentials(provided=EXPIRED), "provided-tls-expired"),
        (
            PROVIDED,
            Credentials(provided=ProvidedCertificate(CertificateState.NOT_CONFIGURED)),
            "provided-tls-not-configured",
        ),
    ],
)
def test_a_protection_that_cannot_be_had_closes_the_endpoint(
    conf: dict[str, Any], credentials: Credentials, code: str
) -> None:
    found = effective(conf, mtls=True, credentials=credentials)
    assert codes(found) == [code]
    assert not found.serves


def usable(*names: str) -> Credentials:
    return Credentials(provided=ProvidedCertificate(CertificateState.USABLE, names=names))


@pytest.mark.parametrize(
    ("names", "address", "words"),
    [
        ((), "10.0.0.1", "no subject alternative name"),
        (("10.0.0.2", "app.example"), "10.0.0.1", "is for 10.0.0.2, app.example"),
    ],
)
def test_a_certificate_that_prometheus_will_not_accept_is_a_warning(
    names: tuple[str, ...], address: str, words: str
) -> None:
    found = effective(PROVIDED, address=address, credentials=usable(*names))
    assert codes(found) == ["provided-tls-not-for-address"] and found.serves
    assert words in found.findings[0].message


def test_one_for_the_address_that_discovery_tells_is_none() -> None:
    assert codes(effective(PROVIDED, address="10.0.0.1", credentials=usable("x", "10.0.0.1"))) == []


@pytest.mark.parametrize(
    ("conf", "credentials"),
    [
        ({}, Credentials(provided=EXPIRED)),
        (PROVIDED, Credentials(authority_fault="no key")),
        ({"tls": {"mode": "disabled"}}, Credentials(provided=EXPIRED, authority_fault="no key")),
        (PROVIDED, Credentials(provided=ProvidedCertificate(CertificateState.USABLE))),
        (PROVIDED, Credentials()),
    ],
)
def test_a_protection_that_is_not_asked_for_matters_not(
    conf: dict[str, Any], credentials: Credentials
) -> None:
    found = effective(conf, mtls=True, credentials=credentials)
    assert found.serves
    assert not {code for code in codes(found) if code.startswith(("provided-tls", "mesh-ca"))}


def test_an_authority_of_before_in_force_is_told_but_closes_nothing() -> None:
    found = effective({}, mtls=True, credentials=Credentials(authority_warning="/ca/key does not exist"))
    assert codes(found) == ["mesh-ca-outdated"] and found.serves


# Sources


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({}, "aggregate-port-missing"),
        ({"port": 80, "address": "169.254.169.254"}, "aggregate-address-link-local"),
        ({"port": 80, "address": "::ffff:169.254.169.254"}, "aggregate-address-link-local"),
        ({"port": 80, "address": "fe80::1"}, "aggregate-address-link-local"),
        ({"port": 80, "address": "10.0.0.1"}, "aggregate-address-not-allowed"),
        ({"port": 80, "address": "0.0.0.0"}, "aggregate-address-not-allowed"),
        ({"port": 80, "address": "metadata.internal"}, "aggregate-address-not-allowed"),
        ({"port": 80, "address": "2852039166"}, "aggregate-address-link-local"),
        ({"port": 5670}, "aggregate-is-metrics-endpoint"),
        ({"port": 5670, "address": "192.168.9.9"}, "aggregate-is-metrics-endpoint"),
        ({"port": 9901}, "aggregate-is-admin-port"),
        ({"port": 9901, "address": "127.0.0.1"}, "aggregate-is-admin-port"),
    ],
)
def test_a_bad_entry_is_refused_and_costs_only_itself(entry: dict[str, Any], code: str) -> None:
    found = effective(
        {"aggregate": [{"name": "bad"} | entry, {"name": "good", "port": 9000}]},
        advertisedAddress="192.168.9.9",
        admin={"port": 9901},
    )
    assert codes(found) == [code]
    assert found.findings[0].field.startswith("metrics.backends[0].conf.aggregate[0].")
    assert "'bad'" in found.findings[0].message
    assert [source.name for source in found.sources] == ["good"]
    assert found.serves


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost", "192.168.0.1", "10.7.0.1", "10.9.0.1"])
def test_loopback_and_own_addresses_are_scraped(address: str) -> None:
    found = effective(
        {"aggregate": [{"name": "a", "port": 9000, "address": address}]},
        inbound=[{"port": 8080, "address": "10.7.0.1", "serviceAddress": "10.9.0.1"}],
    )
    assert codes(found) == []
    assert [source.name for source in found.sources] == ["a"]


def test_an_allowed_network_is_scraped_but_link_local_cannot_be_allowed() -> None:
    everything = [ip_network("0.0.0.0/0"), ip_network("::/0")]
    found = effective(
        {
            "aggregate": [
                {"name": "far", "port": 80, "address": "10.0.0.1"},
                {"name": "metadata", "port": 80, "address": "169.254.169.254"},
            ]
        },
        allowed_networks=everything,
    )
    assert [source.name for source in found.sources] == ["far"]
    assert codes(found) == ["aggregate-address-link-local"]


def test_loopback_with_the_metrics_port_is_another_endpoint() -> None:
    found = effective({"aggregate": [{"name": "a", "port": 5670, "address": "127.0.0.1"}]})
    assert codes(found) == []


def test_a_disabled_entry_has_no_finding() -> None:
    found = effective({"aggregate": [{"name": "a", "enabled": False}]})
    assert codes(found) == [] and found.sources == ()


def test_the_place_for_a_missing_port_is_named() -> None:
    found = effective(
        {"aggregate": [{"name": "a"}]}, on_dataplane={"aggregate": [{"name": "a", "path": "/x"}]}
    )
    assert [finding.field for finding in found.findings] == ["metrics.conf.aggregate[0].port"]


# The proxy


def test_skip_mtls_is_deprecated_where_it_is_in_force() -> None:
    found = effective({"skipMTLS": True, "tls": {"mode": "disabled"}})
    assert codes(found) == ["skip-mtls-deprecated"]
    assert found.findings[0].field == "metrics.backends[0].conf.skipMTLS"
    assert found.serves


def test_skip_mtls_that_a_dataplane_overrides_is_not_mentioned() -> None:
    found = effective({"skipMTLS": True}, on_dataplane={"tls": {"mode": "disabled"}})
    assert codes(found) == []


def test_plain_http_in_a_mesh_with_mtls_is_worth_a_warning() -> None:
    assert codes(effective({"tls": {"mode": "disabled"}}, mtls=True)) == ["metrics-plain-in-mtls-mesh"]
    assert codes(effective({"tls": {"mode": "disabled"}})) == []


METRICS = {"kuma.io/service": "dataplane-metrics"}


def test_no_permission_for_the_endpoint_is_worth_a_warning() -> None:
    other = permission("web", sources=[{"kuma.io/service": "*"}], destinations=[{"kuma.io/service": "web"}])
    found = effective({}, mtls=True, permissions=[other])
    assert "metrics-no-permission" in codes(found)
    assert "kuma.io/service=dataplane-metrics" in found.findings[-1].message


@pytest.mark.parametrize("mtls", [True, False])
def test_with_a_permission_or_without_mtls_there_is_nothing_to_say(mtls: bool) -> None:
    given = [permission("p", sources=[METRICS], destinations=[METRICS])] if mtls else []
    assert "metrics-no-permission" not in codes(effective({}, mtls=mtls, permissions=given))
