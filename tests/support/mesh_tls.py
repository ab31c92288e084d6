"""Clients of a mesh with mTLS, good and bad, whose authority the test has in its own hands."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from meshmeter.certs.identity import issue_identity
from meshmeter.certs.mesh_ca import MeshAuthority, make_authority

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Client:
    """Files of a certificate and its key, and whom they trust."""

    certificate: Path
    key: Path
    trusts: Path


@dataclass
class Authority:
    """An authority for a Mesh with a provided backend, which also signs whatever a test wants."""

    folder: Path
    mesh: str = "default"
    lifetime: timedelta = 30 * DAY
    made: MeshAuthority = field(init=False)
    _count: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        self.made = make_authority(
            self.mesh, key, serial=x509.random_serial_number(), now=now - 2 * DAY, valid_for=self.lifetime
        )
        self.bundle.write_text(self.made.bundle_pem)

    @property
    def bundle(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def key_pem(self) -> str:
        key = self.made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key.decode()

    def backend(self, name: str = "ca-1", **more: Any) -> dict[str, Any]:
        """An entry of `mtls.backends`."""
        conf = {"cert": {"inlineString": self.made.bundle_pem}, "key": {"inlineString": self.key_pem}}
        return {"name": name, "type": "provided", "conf": conf, **more}

    def client(
        self,
        service: str,
        *,
        mesh: str = "",
        tags: Mapping[str, list[str]] | None = None,
        trusts: Path | None = None,
        expired: bool = False,
        ahead: timedelta = timedelta(0),
        valid_for: timedelta = timedelta(hours=1),
    ) -> Client:
        """A certificate of this authority, by a clock that is so far ahead of ours."""
        self._count += 1
        now = datetime.now(UTC) + ahead - (DAY if expired else timedelta(0))
        pair = issue_identity(
            self.made,
            mesh=mesh or self.mesh,
            tags={"kuma.io/service": [service], **(tags or {})},
            key=ec.generate_private_key(ec.SECP256R1()),
            serial=x509.random_serial_number(),
            now=now,
            valid_for=valid_for,
        )
        certificate, key = (self.folder / f"client-{self._count}.{what}" for what in ("crt", "key"))
        certificate.write_bytes(pair.certificate_pem)
        key.write_bytes(pair.key_pem)
        return Client(certificate, key, trusts or self.bundle)


def scrape(
    url: str, client: Client | None = None, *, trusts: Path | None = None, timeout: float = 10.0
) -> tuple[int, str]:
    """GET over TLS, the server verified by its address; status and body. OSError if it is refused in any way."""
    parts = urlsplit(url)
    assert parts.hostname and parts.port
    context = ssl.create_default_context(cafile=client.trusts if client else trusts)
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=context)
    try:
        connection.request("GET", parts.path or "/")
        response = connection.getresponse()
        return response.status, response.read().decode()
    except http.client.HTTPException as exc:
        raise OSError(f"{url}: {exc!r}") from exc
    finally:
        connection.close()


def certificate_of(url: str) -> x509.Certificate:
    """What the server shows to somebody who verifies nothing. OSError if it shows nothing."""
    parts = urlsplit(url)
    assert parts.hostname and parts.port
    return x509.load_pem_x509_certificate(
        ssl.get_server_certificate((parts.hostname, parts.port), timeout=60).encode()
    )
