"""The authority of a mesh: made, kept, read again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from meshmeter.certs.mesh_ca import (
    BACKDATE,
    MeshAuthority,
    SigningKey,
    make_authority,
    read_authority,
    renew_at,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def made(key: SigningKey | None = None) -> MeshAuthority:
    return make_authority("shop", key or new_key(), serial=7, now=NOW, valid_for=YEAR)


def test_it_is_an_authority_for_leaf_certificates_only() -> None:
    certificate = made().certificate
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical and constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://shop"]
    assert certificate.not_valid_before_utc == NOW - BACKDATE
    assert certificate.not_valid_after_utc == NOW + YEAR


def test_two_of_one_mesh_can_be_told_apart() -> None:
    one, other = made(), made()
    assert one.certificate.subject == other.certificate.subject
    assert one.fingerprint != other.fingerprint


@pytest.mark.parametrize("key", [new_key(), rsa.generate_private_key(65537, 2048)], ids=["ecdsa", "rsa"])
def test_there_and_back(key: SigningKey) -> None:
    pem = made(key).to_pem()
    assert read_authority(pem, pem).fingerprint == make_again(pem).fingerprint


def make_again(pem: bytes) -> MeshAuthority:
    return read_authority(pem, pem)


def test_those_above_come_along_but_a_root_is_not_shown_with_leaves() -> None:
    root, intermediate = made(), made()
    signed = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "intermediate")]))
        .issuer_name(root.certificate.subject)
        .public_key(intermediate.key.public_key())
        .serial_number(8)
        .not_valid_before(NOW)
        .not_valid_after(NOW + YEAR / 2)
        .sign(root.key, root.certificate.signature_hash_algorithm)
    )
    chain = signed.public_bytes(Encoding.PEM) + root.bundle_pem.encode()
    found = read_authority(chain, intermediate.to_pem())
    assert found.bundle_pem.count("BEGIN CERTIFICATE") == 2
    assert found.chain_pem == signed.public_bytes(Encoding.PEM).decode()
    assert found.not_after == NOW + YEAR / 2
    assert made().chain_pem == ""


def pem_of(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey, password: bytes = b"") -> bytes:
    secret = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret)


@pytest.mark.parametrize(
    ("certificate", "key", "reason"),
    [
        (b"garbage", pem_of(new_key()), "no PEM certificate"),
        (made().bundle_pem.encode(), b"garbage", "no unencrypted PEM private key"),
        (made().bundle_pem.encode(), pem_of(new_key(), b"word"), "no unencrypted PEM private key"),
        (
            made().bundle_pem.encode(),
            pem_of(ed25519.Ed25519PrivateKey.generate()),
            "neither an ECDSA nor an RSA",
        ),
        (made().bundle_pem.encode(), pem_of(new_key()), "private key does not match public key"),
    ],
    ids=["no certificate", "no key", "encrypted key", "kind of key", "another key"],
)
def test_what_cannot_be_used_is_refused_without_showing_it(
    certificate: bytes, key: bytes, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        read_authority(certificate, key)
    assert "BEGIN" not in str(caught.value)


def test_its_key_is_not_shown() -> None:
    assert "key" not in repr(made()).replace("public_key", "")


def test_it_is_renewed_when_a_third_of_its_life_is_left() -> None:
    assert renew_at(made().certificate) == NOW + YEAR * 2 / 3
