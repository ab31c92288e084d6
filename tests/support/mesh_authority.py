"""A small real authority for tests of identities: one CA per mesh, which a test may change."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from meshmeter.certs.authority import KeyPair, make_authority
from meshmeter.certs.mesh_ca import BACKDATE


@dataclass(frozen=True)
class Issued:
    certificate_pem: str
    bundle_pem: str
    not_before: datetime
    not_after: datetime


@dataclass
class MeshAuthority:
    """Has the mesh `default`; every other has no mTLS."""

    valid_for: timedelta = timedelta(hours=24)
    authorities: list[KeyPair] = field(default_factory=list)
    """The newest signs, all are trusted."""
    issued: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rotate()

    def rotate(self) -> None:
        """One more authority, which signs from now on."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        self.authorities.append(
            make_authority("default", key, serial=1, now=now, valid_for=timedelta(days=1))
        )

    async def issue(self, mesh: str, service: str, public_key: ec.EllipticCurvePublicKey) -> Issued | None:
        if mesh != "default":
            return None
        self.issued.append((mesh, service))
        authority, now = self.authorities[-1], datetime.now(UTC)
        names = [x509.UniformResourceIdentifier(f"spiffe://{mesh}/{service}")]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(authority.certificate.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATE)
            .not_valid_after(now + self.valid_for)
            .add_extension(x509.SubjectAlternativeName(names), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .sign(authority.key, hashes.SHA256())
        )
        pem = certificate.public_bytes(Encoding.PEM).decode()
        return Issued(pem, self._bundle(), certificate.not_valid_before_utc, certificate.not_valid_after_utc)

    async def bundle(self, mesh: str) -> str | None:
        return self._bundle() if mesh == "default" else None

    def _bundle(self) -> str:
        return "".join(authority.certificate_pem.decode() for authority in self.authorities)
