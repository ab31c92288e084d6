"""Real certificates for tests, and one that cannot be."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from meshmeter.certs.authority import issue_server, make_authority


def server_certificate(folder: Path, *names: str) -> tuple[Path, Path]:
    """The files of a fresh authority, and of a certificate with its key for these names."""
    now, day = datetime.now(UTC), timedelta(days=1)
    authority = make_authority(
        "test", ec.generate_private_key(ec.SECP256R1()), serial=1, now=now, valid_for=day
    )
    server = issue_server(
        authority, names, ec.generate_private_key(ec.SECP256R1()), serial=2, now=now, valid_for=day
    )
    ca_file, server_file = folder / "ca.pem", folder / "server.pem"
    ca_file.write_bytes(authority.certificate_pem)
    server_file.write_bytes(server.certificate_pem + server.key_pem)
    return ca_file, server_file


def of_version_4(pem: str) -> str:
    """The certificate with a version that X.509 does not have."""
    der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    assert der.count(b"\xa0\x03\x02\x01\x02") == 1
    changed = base64.encodebytes(der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x03")).decode()
    return f"-----BEGIN CERTIFICATE-----\n{changed}-----END CERTIFICATE-----\n"
