"""What the certificate of a proxy says (kuma-facts 9.7, deviations D23)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from meshmeter.certs.authority import KeyPair
from meshmeter.certs.identity import issue_identity
from meshmeter.certs.mesh_ca import MeshAuthority, make_authority

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TAGS = {"kuma.io/service": ["web", "api"], "version": ["2"]}


def authority(valid_for: timedelta = 365 * DAY) -> MeshAuthority:
    key = ec.generate_private_key(ec.SECP256R1())
    return make_authority("shop", key, serial=1, now=NOW, valid_for=valid_for)


def issued(
    by: MeshAuthority | None = None,
    *,
    tags: Mapping[str, list[str]] = TAGS,
    addresses: tuple[str, ...] = (),
    now: datetime = NOW,
) -> KeyPair:
    return issue_identity(
        by or authority(),
        mesh="shop",
        tags=tags,
        addresses=addresses,
        key=ec.generate_private_key(ec.SECP256R1()),
        serial=99,
        now=now,
        valid_for=DAY,
    )


def names(pair: KeyPair) -> x509.SubjectAlternativeName:
    return pair.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def test_services_first_then_every_tag() -> None:
    assert names(issued()).get_values_for_type(x509.UniformResourceIdentifier) == [
        "spiffe://shop/api",
        "spiffe://shop/web",
        "kuma://kuma.io/service/api",
        "kuma://kuma.io/service/web",
        "kuma://version/2",
    ]


def test_addresses_are_there_once_each() -> None:
    found = names(issued(addresses=("10.0.0.1", "fd00::1", "proxy.example", "10.0.0.1")))
    assert [str(ip) for ip in found.get_values_for_type(x509.IPAddress)] == ["10.0.0.1", "fd00::1"]
    assert found.get_values_for_type(x509.DNSName) == ["proxy.example"]


def test_the_subject_is_empty_so_the_names_are_critical() -> None:
    pair = issued()
    assert list(pair.certificate.subject) == []
    assert pair.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


def test_it_is_for_servers_and_clients_and_signs_nothing() -> None:
    extensions = issued().certificate.extensions
    usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usage) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign is False


def test_the_authority_signed_it() -> None:
    by = authority()
    issued(by).certificate.verify_directly_issued_by(by.certificate)


def test_a_peer_whose_clock_is_a_minute_behind_accepts_it() -> None:
    assert issued(now=NOW + DAY).certificate.not_valid_before_utc <= NOW + DAY - timedelta(minutes=1)


def test_it_never_outlives_its_authority() -> None:
    short = authority(valid_for=DAY / 2)
    assert issued(short).certificate.not_valid_after_utc == NOW + DAY / 2


@pytest.mark.parametrize(
    ("tags", "now", "reason"),
    [
        ({"version": ["2"]}, NOW, "needs a service"),
        (TAGS, NOW + 400 * DAY, "which is not now"),
        (TAGS, NOW - DAY, "which is not now"),
    ],
)
def test_what_cannot_be_signed(tags: Mapping[str, list[str]], now: datetime, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        issued(tags=tags, now=now)
