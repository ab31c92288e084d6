"""Real certificates for TLS servers in tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

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
