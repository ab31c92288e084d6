"""Identities: the certificates by which proxies of a mesh know each other (kuma-facts 9.7, deviations D23).

The subject is empty; who it is for is in the URIs `spiffe://MESH/SERVICE`, one per service, and `kuma://TAG/VALUE`,
one per value of every other tag. Addresses are there for clients outside the mesh, which verify servers by address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from meshmeter.certs.authority import KeyPair
from meshmeter.certs.mesh_ca import BACKDATE, MeshAuthority, key_usage

SERVICE_TAG = "kuma.io/service"


def sign_identity(
    authority: MeshAuthority,
    public_key: ec.EllipticCurvePublicKey,
    *,
    mesh: str,
    tags: Mapping[str, Iterable[str]],
    addresses: Iterable[str] = (),
    serial: int,
    now: datetime,
    valid_for: timedelta,
) -> x509.Certificate:
    """A certificate of this key for all values of these tags, at least one of which is a service.

    It never outlives its authority. Raises ValueError if there is no service, or the authority is not valid at `now`.
    """
    services = sorted(tags.get(SERVICE_TAG, ()))
    if not services:
        raise ValueError("an identity needs a service")
    issuer = authority.certificate
    if not issuer.not_valid_before_utc <= now < authority.not_after:
        raise ValueError(
            f"the authority is valid from {issuer.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ} "
            f"to {authority.not_after:%Y-%m-%dT%H:%M:%SZ}, which is not now"
        )
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(f"spiffe://{mesh}/{service}") for service in services
    ]
    names += [
        x509.UniformResourceIdentifier(f"kuma://{tag}/{value}")
        for tag, values in sorted(tags.items())
        for value in sorted(values)
    ]
    names += [_address(address) for address in dict.fromkeys(addresses)]
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.subject)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(max(now - BACKDATE, issuer.not_valid_before_utc))
        .not_valid_after(min(now + valid_for, authority.not_after))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(sign_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .add_extension(_authority_key(authority), critical=False)
        .sign(authority.key, hashes.SHA256())
    )


def issue_identity(
    authority: MeshAuthority,
    *,
    mesh: str,
    tags: Mapping[str, Iterable[str]],
    addresses: Iterable[str] = (),
    key: ec.EllipticCurvePrivateKey,
    serial: int,
    now: datetime,
    valid_for: timedelta,
) -> KeyPair:
    """The same, together with its key."""
    certificate = sign_identity(
        authority,
        key.public_key(),
        mesh=mesh,
        tags=tags,
        addresses=addresses,
        serial=serial,
        now=now,
        valid_for=valid_for,
    )
    return KeyPair(certificate, key)


def _authority_key(authority: MeshAuthority) -> x509.AuthorityKeyIdentifier:
    try:
        extensions = authority.certificate.extensions
        subject_key = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject_key)


def _address(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(address))
    except ValueError:
        return x509.DNSName(address)
