"""A certificate authority of our own: ECDSA P-256, as values. Keys and times are arguments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from meshmeter.certs.mesh_ca import key_usage

BACKDATE = timedelta(minutes=1)
"""Certificates start in the past, for peers whose clock is behind."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @classmethod
    def from_pem(cls, certificate_pem: bytes, key_pem: bytes) -> KeyPair:
        """Raises ValueError if either is garbage, the key is not ECDSA, or they do not belong together."""
        try:
            certificate = x509.load_pem_x509_certificate(certificate_pem)
        except ValueError as exc:
            raise ValueError("the certificate is not a PEM certificate") from exc
        try:
            key = load_pem_private_key(key_pem, None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
            raise ValueError("the key is not an unencrypted PEM private key") from exc
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the key is not an ECDSA key")
        if key.public_key() != certificate.public_key():
            raise ValueError("the key does not belong to the certificate")
        return cls(certificate, key)


def make_authority(
    common_name: str, key: ec.EllipticCurvePrivateKey, *, serial: int, now: datetime, valid_for: timedelta
) -> KeyPair:
    """A self-signed CA that may sign leaf certificates only."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "meshmeter"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + valid_for)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(sign_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(certificate, key)


def issue_server(
    authority: KeyPair,
    names: Sequence[str],
    key: ec.EllipticCurvePrivateKey,
    *,
    serial: int,
    now: datetime,
    valid_for: timedelta,
) -> KeyPair:
    """A server certificate for host names and IP addresses, at least one; never valid for longer than its authority.

    Raises ValueError if a name cannot stand in a certificate, or the authority is not valid at `now`.
    """
    issuer = authority.certificate
    if not issuer.not_valid_before_utc <= now < issuer.not_valid_after_utc:
        raise ValueError(
            f"the authority is valid from {issuer.not_valid_before_utc:%Y-%m-%d} "
            f"to {issuer.not_valid_after_utc:%Y-%m-%d}, which is not now"
        )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - BACKDATE)
        .not_valid_after(min(now + valid_for, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(n) for n in names]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
        .sign(authority.key, hashes.SHA256())
    )
    return KeyPair(certificate, key)


def covers(certificate: x509.Certificate, names: Iterable[str]) -> bool:
    """Whether a server certificate is good for all of these host names and IP addresses, however they are spelled."""
    try:
        there = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    return set(there) >= {_general_name(name) for name in names}


def renew_at(certificate: x509.Certificate) -> datetime:
    """When two thirds of the certificate's life are over."""
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return start + (end - start) * 2 / 3


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name.lower())
