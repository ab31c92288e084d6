"""Identities: the certificate of every proxy, kept until half of its life is over (kuma-facts 9.7, deviations D23)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from meshmeter.certs.authority import KeyPair
from meshmeter.certs.identity import issue_identity
from meshmeter.certs.mesh_ca import MeshAuthority
from meshmeter.certs.trust import TrustRecord
from meshmeter.controlplane.admission.token_tags import certified_tags
from meshmeter.effective.credentials import Identity
from meshmeter.resources.dataplane import SERVICE_TAG, DataplaneSpec
from meshmeter.resources.resource import ProxyKey, Resource


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs for a mesh now."""

    authority: MeshAuthority
    record: TrustRecord
    lifetime: timedelta
    """Of a certificate."""
    accepts_others: bool
    """Whether certificates of an authority before are still shown: a change is in its first phase."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What an identity is made from; another one needs another identity."""

    tags: Mapping[str, frozenset[str]]
    addresses: tuple[str, ...]
    lifetime: timedelta


@dataclass(frozen=True, slots=True)
class _Issued:
    wanted: _Wanted
    signer: str
    """Fingerprint."""
    pair: KeyPair
    certificate_pem: str
    """With what is above it."""
    key_pem: str
    renew_at: datetime

    def is_due(self, now: datetime) -> bool:
        """It grows old, or is not valid yet: it was issued while the clock was ahead."""
        return not self.pair.certificate.not_valid_before_utc <= now < self.renew_at


class Identities:
    """By proxy. The private keys are in memory only: after a restart every proxy gets a new one."""

    def __init__(self, on_signed: Callable[[], None] = lambda: None):
        self._on_signed = on_signed
        self._issued: dict[ProxyKey, _Issued] = {}

    def identity(self, dataplane: Resource[DataplaneSpec], signer: Signer, now: datetime) -> Identity:
        """The identity of a proxy, a new one where that is due. Raises ValueError if it cannot be signed."""
        key = (dataplane.mesh, dataplane.name)
        wanted = _Wanted(identity_tags(dataplane), tuple(identity_addresses(dataplane.spec)), signer.lifetime)
        issued = self._issued.get(key)
        if (
            issued is None
            or issued.wanted != wanted
            or issued.is_due(now)
            or (issued.signer != signer.authority.fingerprint and not signer.accepts_others)
        ):
            issued = self._issued[key] = self._sign(key, wanted, signer.authority, now)
        bundle = signer.record.bundle_pem
        return Identity(
            mesh=dataplane.mesh,
            certificate_pem=issued.certificate_pem,
            key_pem=issued.key_pem,
            bundle_pem=bundle,
            not_after=issued.pair.certificate.not_valid_after_utc,
            version=hashlib.sha256((issued.certificate_pem + bundle).encode()).hexdigest()[:32],
        )

    def due(self, now: datetime) -> set[ProxyKey]:
        """The proxies whose identities are to be renewed."""
        return {key for key, issued in self._issued.items() if issued.is_due(now)}

    def forget(self, key: ProxyKey) -> None:
        """The proxy is gone."""
        self._issued.pop(key, None)

    def forget_mesh(self, mesh: str) -> None:
        """Nobody of this mesh has an identity any more."""
        for key in [key for key in self._issued if key[0] == mesh]:
            del self._issued[key]

    def _sign(self, key: ProxyKey, wanted: _Wanted, authority: MeshAuthority, now: datetime) -> _Issued:
        pair = issue_identity(
            authority,
            mesh=key[0],
            tags=wanted.tags,
            addresses=wanted.addresses,
            key=ec.generate_private_key(ec.SECP256R1()),
            serial=x509.random_serial_number(),
            now=now,
            valid_for=wanted.lifetime,
        )
        self._on_signed()
        life = pair.certificate.not_valid_after_utc - now
        return _Issued(
            wanted,
            authority.fingerprint,
            pair,
            pair.certificate_pem.decode() + authority.chain_pem,
            pair.key_pem.decode(),
            now + life * (0.5 - _spread(key)),
        )


def identity_tags(dataplane: Resource[DataplaneSpec]) -> dict[str, frozenset[str]]:
    """What the identity says. A proxy without a service has one that no tag can have: `dataplane/NAME`."""
    tags = certified_tags(dataplane)
    tags.setdefault(SERVICE_TAG, frozenset({f"dataplane/{dataplane.name}"}))
    return tags


def identity_addresses(spec: DataplaneSpec) -> Iterator[str]:
    """Where clients reach the proxy (deviations D23)."""
    networking = spec.networking
    for address in (networking.address, networking.advertised_address) if networking else ():
        if address:
            yield address


def _spread(key: ProxyKey) -> float:
    """Up to a twentieth of a life, always the same for one proxy: those issued together are not renewed together."""
    digest = hashlib.sha256("/".join(key).encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 / 20
