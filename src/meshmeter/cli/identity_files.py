"""The files of an issued identity: `tls.crt`, `tls.key`, `ca.crt`, all of one issue or all of the one before.

The three names are links into a folder of their own, `.current`, which is itself a link. Replacing that one link
replaces all three files in one step, as a mounted Kubernetes secret does; a reader never sees half of a change, and
what is written is on disk before the link changes.
"""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from meshmeter.certs.mesh_ca import BACKDATE
from meshmeter.files import read_file
from meshmeter.folders import check_folder
from meshmeter.whole_files import sync_folder, write_whole

CERTIFICATE, KEY, TRUST = "tls.crt", "tls.key", "ca.crt"

CURRENT = ".current"
VERSION_PREFIX = ".issued-"


@dataclass(frozen=True, slots=True)
class HeldIdentity:
    """What is in the folder now."""

    uris: tuple[str, ...]
    """The names in the certificate, such as `spiffe://default/prometheus-server`."""
    not_before: datetime
    not_after: datetime
    trust_bundle: str

    @property
    def renew_at(self) -> datetime:
        """Half of its life, which begins when it is issued; it is valid from somewhat earlier."""
        issued = min(self.not_before + BACKDATE, self.not_after)
        return issued + (self.not_after - issued) / 2


def write_identity(folder: Path, certificate: str, key: bytes, trust_bundle: str) -> HeldIdentity:
    """Replace the three files, each for its owner only. Raises UnsafeFolder if other users may change what is in the
    folder, OSError, ValueError if the certificate is none."""
    held = _held(certificate, trust_bundle)
    check_folder(folder)
    version = folder / f"{VERSION_PREFIX}{secrets.token_hex(8)}"
    version.mkdir(mode=0o700)
    try:
        write_whole(version / CERTIFICATE, certificate.encode(), 0o600)
        write_whole(version / KEY, key, 0o600)
        write_whole(version / TRUST, trust_bundle.encode(), 0o600)
        _point(folder / CURRENT, version.name)
    except BaseException:
        shutil.rmtree(version, ignore_errors=True)
        raise
    for name in (CERTIFICATE, KEY, TRUST):
        if not _points_to(folder / name, f"{CURRENT}/{name}"):
            _point(folder / name, f"{CURRENT}/{name}")
    sync_folder(folder)
    for old in folder.glob(f"{VERSION_PREFIX}*"):
        if old != version:
            shutil.rmtree(old, ignore_errors=True)
    return held


def read_identity(folder: Path) -> HeldIdentity | None:
    """What the folder holds; None if it is not a whole, readable identity."""
    try:
        read_file(folder / KEY)
        return _held(read_file(folder / CERTIFICATE).decode(), read_file(folder / TRUST).decode())
    except (OSError, ValueError):
        return None


def _held(certificate: str, trust_bundle: str) -> HeldIdentity:
    parsed = x509.load_pem_x509_certificate(certificate.encode())
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = tuple(names.get_values_for_type(x509.UniformResourceIdentifier))
    except x509.ExtensionNotFound:
        uris = ()
    return HeldIdentity(uris, parsed.not_valid_before_utc, parsed.not_valid_after_utc, trust_bundle)


def _points_to(link: Path, target: str) -> bool:
    return link.is_symlink() and os.readlink(link) == target


def _point(link: Path, target: str) -> None:
    """Make or replace a link in one step."""
    temporary = link.with_name(f".{link.name}.{secrets.token_hex(4)}")
    temporary.symlink_to(target)
    try:
        os.replace(temporary, link)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
