from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509 import BasicConstraints, DNSName, ExtendedKeyUsage, IPAddress, KeyUsage, Name
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from meshmeter.certs.authority import KeyPair, covers, issue_server, make_authority, renew_at

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NAMES = ["cp.example", "127.0.0.1", "::1"]


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    return make_authority("test CA", new_key(), serial=1, now=NOW, valid_for=10 * DAY)


@pytest.fixture(scope="module")
def server(authority: KeyPair) -> KeyPair:
    return issue_server(authority, NAMES, new_key(), serial=2, now=NOW, valid_for=3 * DAY)


def test_an_authority_signs_certificates_and_nothing_else(authority: KeyPair) -> None:
    extensions = authority.certificate.extensions
    constraints = extensions.get_extension_for_class(BasicConstraints)
    usage = extensions.get_extension_for_class(KeyUsage)
    assert constraints.critical and constraints.value.ca and constraints.value.path_length == 0
    assert usage.critical and usage.value.key_cert_sign and not usage.value.digital_signature
    assert authority.certificate.serial_number == 1


def test_a_server_certificate_verifies_as_strict_clients_do(authority: KeyPair, server: KeyPair) -> None:
    def verify(name: str, now: datetime) -> None:
        subject = DNSName(name) if "example" in name else IPAddress(ip_address(name))
        builder = PolicyBuilder().store(Store([authority.certificate])).time(now)
        builder.build_server_verifier(subject).verify(server.certificate, [])

    for name in NAMES:
        verify(name, NOW)
    for name, now in (("other.example", NOW), ("127.0.0.2", NOW), ("cp.example", NOW + 3 * DAY)):
        with pytest.raises(VerificationError):
            verify(name, now + timedelta(seconds=1))


def test_a_server_certificate_is_for_servers_only(server: KeyPair) -> None:
    extensions = server.certificate.extensions
    assert not extensions.get_extension_for_class(BasicConstraints).value.ca
    assert list(extensions.get_extension_for_class(ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]


def test_a_peer_whose_clock_is_a_minute_behind_accepts_it(authority: KeyPair, server: KeyPair) -> None:
    for pair in (authority, server):
        assert pair.certificate.not_valid_before_utc == NOW - timedelta(minutes=1)


def test_nothing_outlives_its_authority(authority: KeyPair) -> None:
    long = issue_server(authority, NAMES, new_key(), serial=3, now=NOW, valid_for=100 * DAY)
    assert long.certificate.not_valid_after_utc == authority.certificate.not_valid_after_utc


@pytest.mark.parametrize("now", [NOW - DAY, NOW + 10 * DAY, NOW + 400 * DAY])
def test_an_authority_that_is_not_valid_now_issues_nothing(authority: KeyPair, now: datetime) -> None:
    with pytest.raises(ValueError, match="valid from 2026-05-01 to 2026-05-11, which is not now"):
        issue_server(authority, NAMES, new_key(), serial=3, now=now, valid_for=DAY)


def test_a_long_host_name_fits(authority: KeyPair) -> None:
    name = "a" * 60 + "." + "b" * 60 + ".example"
    long = issue_server(authority, [name], new_key(), serial=3, now=NOW, valid_for=DAY)
    assert covers(long.certificate, [name])


def test_a_name_that_no_certificate_can_carry_is_refused(authority: KeyPair) -> None:
    with pytest.raises(ValueError):
        issue_server(authority, ["münchen.example"], new_key(), serial=3, now=NOW, valid_for=DAY)


def test_names_are_covered_however_they_are_spelled(authority: KeyPair, server: KeyPair) -> None:
    assert covers(server.certificate, [])
    assert covers(server.certificate, ["0:0:0:0:0:0:0:1", "CP.Example"])
    assert not covers(server.certificate, ["cp.example", "127.0.0.2"])
    assert not covers(authority.certificate, ["cp.example"])


def test_it_is_renewed_after_two_thirds_of_its_life(server: KeyPair) -> None:
    start = NOW - timedelta(minutes=1)
    assert renew_at(server.certificate) == start + (3 * DAY + timedelta(minutes=1)) * 2 / 3


def test_pem_there_and_back(server: KeyPair) -> None:
    assert KeyPair.from_pem(server.certificate_pem, server.key_pem).certificate == server.certificate
    assert server.key_pem.startswith(b"-----BEGIN PRIVATE KEY-----")


def test_openssl_takes_it(authority: KeyPair) -> None:
    context = ssl.create_default_context(cadata=authority.certificate_pem.decode())
    assert context.cert_store_stats()["x509_ca"] == 1


def test_a_key_of_another_certificate_is_noticed(authority: KeyPair, server: KeyPair) -> None:
    with pytest.raises(ValueError, match="the key does not belong to the certificate"):
        KeyPair.from_pem(server.certificate_pem, authority.key_pem)


def test_a_forged_issuer_is_noticed(authority: KeyPair) -> None:
    impostor = make_authority("test CA", new_key(), serial=1, now=NOW, valid_for=DAY)
    forged = issue_server(impostor, NAMES, new_key(), serial=2, now=NOW, valid_for=DAY)
    assert isinstance(forged.certificate.issuer, Name)
    with pytest.raises(InvalidSignature):
        forged.certificate.verify_directly_issued_by(authority.certificate)


def test_unusable_files_are_told_apart(server: KeyPair) -> None:
    def check(certificate: bytes, key: bytes, reason: str) -> None:
        with pytest.raises(ValueError, match=reason) as caught:
            KeyPair.from_pem(certificate, key)
        assert "PRIVATE KEY--" not in str(caught.value)

    other = rsa.generate_private_key(65537, 2048)
    pkcs8 = PrivateFormat.PKCS8
    check(b"", server.key_pem, "the certificate is not a PEM certificate")
    check(server.key_pem, server.key_pem, "the certificate is not a PEM certificate")
    check(server.certificate_pem, b"", "the key is not an unencrypted PEM private key")
    check(server.certificate_pem, server.key_pem[:60], "the key is not an unencrypted PEM private key")
    encrypted = server.key.private_bytes(Encoding.PEM, pkcs8, BestAvailableEncryption(b"secret"))
    check(server.certificate_pem, encrypted, "the key is not an unencrypted PEM private key")
    rsa_key = other.private_bytes(Encoding.PEM, pkcs8, NoEncryption())
    check(server.certificate_pem, rsa_key, "the key is not an ECDSA key")


def test_a_key_never_shows_in_a_repr(server: KeyPair) -> None:
    assert "key=" not in repr(server)
