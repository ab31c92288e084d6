"""The authority of one mesh: who signs the identities of its proxies (kuma-facts 9.7). Keys and times are arguments."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

BACKDATE = timedelta(minutes=2)
"""Certificates of a mesh start in the past, for peers whose clock is behind. More than the reference's 10 s: a clock
that is a minute off must not cost a scrape after every renewal."""


@dataclass(frozen=True, slots=True)
class MeshAuthority:
    """A certificate that may sign others, its key, and the certificates above it."""

    certificate: x509.Certificate
    key: SigningKey = field(repr=False)
    above: tuple[x509.Certificate, ...] = ()
    """Issuers of `certificate`, if it is not a root, in the order they were given."""

    @property
    def bundle_pem(self) -> str:
        """Everything that a peer trusts because of this authority."""
        return "".join(_pem(certificate) for certificate in (self.certificate, *self.above))

    @property
    def chain_pem(self) -> str:
        """What goes with each leaf, so that whoever trusts only the root can follow: all but self-signed ones."""
        return "".join(_pem(c) for c in (self.certificate, *self.above) if c.issuer != c.subject)

    @property
    def fingerprint(self) -> str:
        """Names the authority; another one has another."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    @property
    def not_after(self) -> datetime:
        """When nothing that it signed is valid any more, because one of its own certificates is not."""
        return min(c.not_valid_after_utc for c in (self.certificate, *self.above))

    def to_pem(self) -> bytes:
        """Key and certificates in one document, for the store of secrets."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key + self.bundle_pem.encode()


def read_authority(certificates_pem: bytes, key_pem: bytes) -> MeshAuthority:
    """The authority of a certificate, which comes first, those above it, and its key.

    Raises ValueError if one of them cannot be read, the key is neither ECDSA nor RSA, or is another certificate's.
    Whether the certificate may sign others is not judged. The message has nothing of the key.
    """
    try:
        first, *above = x509.load_pem_x509_certificates(certificates_pem)
    except x509.InvalidVersion as exc:
        raise ValueError(f"a certificate in cert has a version that does not exist: {exc}") from exc
    except ValueError as exc:
        raise ValueError("no PEM certificate found in cert") from exc
    try:
        key = load_pem_private_key(key_pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("no unencrypted PEM private key found in key") from None
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        raise ValueError("the key is neither an ECDSA nor an RSA key")
    try:
        theirs: object = first.public_key()
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise ValueError("the certificate's public key cannot be used") from exc
    if key.public_key() != theirs:
        raise ValueError("private key does not match public key")
    authority = MeshAuthority(first, key, tuple(above))
    try:
        # Names and times are read only now.
        _ = authority.chain_pem, authority.bundle_pem, authority.not_after, first.not_valid_before_utc
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise ValueError(f"a certificate in cert cannot be used: {exc}") from exc
    return authority


def make_authority(
    mesh: str, key: SigningKey, *, serial: int, now: datetime, valid_for: timedelta
) -> MeshAuthority:
    """The authority that we make for a mesh ourselves: self-signed, for leaf certificates only."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Kuma"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Mesh"),
            x509.NameAttribute(NameOID.COMMON_NAME, mesh[:64]),
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
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"spiffe://{mesh}")]), critical=False
        )
        # Two authorities of one mesh have the same subject; these identifiers tell them apart.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return MeshAuthority(certificate, key)


def renew_at(certificate: x509.Certificate) -> datetime:
    """When two thirds of the life of an authority are over, from its making on."""
    start, end = certificate.not_valid_before_utc + BACKDATE, certificate.not_valid_after_utc
    return start + (end - start) * 2 / 3


def key_usage(*, sign_certificates: bool) -> x509.KeyUsage:
    """Of an authority, or of a leaf."""
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
