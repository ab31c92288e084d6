"""The data directory: what the control plane makes on its first start and keeps.

    ca.crt                  its own CA, which agents and Envoys trust; hand it out freely
    ca.key                  0600
    server.crt, server.key  for every server that speaks TLS; made anew when old or when names change (key 0600)
    signing.key             signs tokens, 0600; signing-KID.key are earlier ones (`tokens.signing_keys`)
    admin.token             admin token of the CLI on this host, 0600 (`tokens.service`)
    endpoints.json          where the running control plane listens
    meshmeter.db            the store
    secrets.key             encrypts the store's secrets, 0600 (`identity.secret_vault`)

The directory is 0700; one that others may write to is refused. Files are written whole or not at all.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

from meshmeter.certs.authority import KeyPair, covers, issue_server, make_authority, renew_at
from meshmeter.controlplane.options import is_host
from meshmeter.controlplane.tokens.signing_keys import SigningKeys
from meshmeter.errors import StartupError
from meshmeter.files import read_file, read_secret
from meshmeter.whole_files import write_whole

CA_VALIDITY = timedelta(days=3650)
SERVER_VALIDITY = timedelta(days=365)

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")

DATABASE = "meshmeter.db"


@dataclass(frozen=True, slots=True)
class DataDir:
    """The opened directory."""

    path: Path
    authority: KeyPair
    server: KeyPair
    """As it was when the directory was opened."""
    signing_keys: SigningKeys
    names: tuple[str, ...] = ()
    """What the server certificate covers."""

    @property
    def admin_token(self) -> Path:
        return self.path / "admin.token"

    def renewed_server(self, now: datetime) -> KeyPair:
        """The server certificate that is in the files now, made anew if that is due. Raises OSError, StartupError."""
        return _server(self.path, self.authority, self.names, now)

    def write_endpoints(self, endpoints: Mapping[str, str]) -> None:
        """Say where the servers listen, in endpoints.json. Raises StartupError."""
        file = self.path / "endpoints.json"
        try:
            write_whole(file, json.dumps(dict(endpoints), indent=2).encode() + b"\n", 0o644)
        except OSError as exc:
            raise StartupError(
                f"cannot write {file}: {exc.strerror}; check its owner and the free space"
            ) from exc

    def remove_endpoints(self) -> None:
        """They no longer listen."""
        (self.path / "endpoints.json").unlink(missing_ok=True)


def open_data_dir(path: Path, names: tuple[str, ...], *, now: datetime) -> DataDir:
    """Open the directory, making what is not there yet. The caller holds the lock of its store, and with it
    the directory was judged.

    `names` are the host names and addresses, beside the local ones, that the server certificate must cover. Raises
    StartupError naming the file that cannot be used.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority = _authority(path, now)
        covered = (*LOCAL_NAMES, *_host_names(), *names)
        server = _server(path, authority, covered, now)
        signing_keys = SigningKeys.open(path)
    except OSError as exc:
        raise StartupError(
            f"cannot use {exc.filename or path}: {exc.strerror}; check --data-dir, its owner and its free space"
        ) from exc
    return DataDir(path, authority, server, signing_keys, covered)


def is_good(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether a server certificate need not be renewed: it is in the first two thirds of its life.

    One that is not valid yet was made while the clock was ahead.
    """
    return certificate.not_valid_before_utc <= now < renew_at(certificate)


def _authority(path: Path, now: datetime) -> KeyPair:
    certificate, key = path / "ca.crt", path / "ca.key"
    remedy = "restore both files from a backup, or remove both to make a new CA, whose ca.crt every agent then needs"
    if not key.exists() and not certificate.exists():
        made = make_authority(
            "meshmeter control plane",
            ec.generate_private_key(ec.SECP256R1()),
            serial=x509.random_serial_number(),
            now=now,
            valid_for=CA_VALIDITY,
        )
        write_whole(key, made.key_pem, 0o600)
        write_whole(certificate, made.certificate_pem, 0o644)
    for file in (certificate, key):
        if not file.exists():
            raise StartupError(f"{file} is missing: {remedy}")
    try:
        return KeyPair.from_pem(read_file(certificate), read_secret(key))
    except ValueError as exc:
        raise StartupError(f"{certificate} and {key.name}: {exc}: {remedy}") from exc


def _server(path: Path, authority: KeyPair, names: tuple[str, ...], now: datetime) -> KeyPair:
    certificate, key = path / "server.crt", path / "server.key"
    wanted = tuple(dict.fromkeys(names))
    if certificate.exists() and key.exists():
        try:
            there = KeyPair.from_pem(read_file(certificate), read_secret(key))
            there.certificate.verify_directly_issued_by(authority.certificate)
            if covers(there.certificate, wanted) and is_good(there.certificate, now):
                return there
        except (ValueError, TypeError, InvalidSignature):
            pass  # unreadable or of another CA; it is ours to make anew
    try:
        made = issue_server(
            authority,
            wanted,
            ec.generate_private_key(ec.SECP256R1()),
            serial=x509.random_serial_number(),
            now=now,
            valid_for=SERVER_VALIDITY,
        )
    except ValueError as exc:
        raise StartupError(
            f"cannot make {certificate}: {exc}; compare the host's clock, and --names, with that"
        ) from exc
    write_whole(key, made.key_pem, 0o600)
    write_whole(certificate, made.certificate_pem, 0o644)
    return made


def _host_names() -> tuple[str, ...]:
    """What this host calls itself, if that can be a host name."""
    name = socket.gethostname()
    return (name,) if is_host(name) else ()
