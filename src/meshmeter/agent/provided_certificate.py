"""What the certificate for `tls.mode: providedTLS` is worth (deviations D12), by the standard library alone.

Certificate and key are made to shake hands with themselves: whatever OpenSSL finds wrong with them, a client would
meet as well. Expiry is judged apart from that, so that it can be told before it comes.
"""

from __future__ import annotations

import base64
import errno
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from meshmeter.files import read_file
from meshmeter.times import rfc3339

LARGEST_FILE = 1 << 20
"""Bytes of a certificate or key file."""

MOST_NAMES = 100
"""Names of a certificate that are told."""

USABLE = "usable"
MISSING = "missing"
UNREADABLE = "unreadable"
EXPIRED = "expired"
NOT_YET_VALID = "not-yet-valid"
MISMATCHED = "mismatched"
INVALID = "invalid"

_OF_ANOTHER = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")
"""OpenSSL's words for a key of another certificate; the last one if the keys are of different kinds."""

_EDWARDS = (b"\x06\x03\x2b\x65\x70", b"\x06\x03\x2b\x65\x71")
"""Object identifiers of Ed25519 and Ed448, which OpenSSL can use and Envoy cannot."""

_ANY_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which has no name in the standard library."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be told to the control plane."""

    state: str
    """One of the constants of this module; the control plane knows the same words."""
    detail: str = ""
    not_after: datetime | None = None
    names: tuple[str, ...] | None = None
    """The host names and addresses that it is for, its subject alternative names; None unless it is usable."""

    def to_json(self) -> dict[str, Any]:
        not_after = rfc3339(self.not_after) if self.not_after else None
        names = list(self.names[:MOST_NAMES]) if self.names is not None else None
        return {"state": self.state, "detail": self.detail, "notAfter": not_after, "names": names}


@dataclass(frozen=True, slots=True)
class Files:
    """The content of both files."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Files(…)"


def read_files(certificate: Path, key: Path) -> Files | Finding:
    """The content of both files, or what keeps it from being read."""
    contents = []
    for path in (certificate, key):
        try:
            contents.append(read_file(path, LARGEST_FILE))
        except FileNotFoundError:
            return Finding(MISSING, f"{path} does not exist")
        except OSError as exc:
            state = INVALID if exc.errno == errno.EFBIG else UNREADABLE
            return Finding(state, f"{path} cannot be read: {exc.strerror}")
    return Files(*contents)


def examine(files: Files, certificate: Path, key: Path, folder: Path) -> tuple[Finding, datetime | None]:
    """What the content is worth at any time that its certificate is valid, and since when that is.

    The paths are for messages. OpenSSL reads files only: copies are made in `folder`, which has to be ours alone,
    and removed.
    """
    if _is_edwards(files.key):
        return Finding(INVALID, f"{key} is an Ed25519 or Ed448 key: Envoy needs an ECDSA or RSA key"), None
    with tempfile.TemporaryDirectory(dir=folder, prefix=".check-") as scratch:
        copies = Path(scratch, "certificate"), Path(scratch, "key")
        for copy, content in zip(copies, (files.certificate, files.key), strict=True):
            copy.write_bytes(content)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # Without a password OpenSSL would ask on the terminal.
            server.load_cert_chain(*copies, password=_no_password)
        except ssl.SSLError as exc:
            return _load_fault(exc, files, certificate, key), None
        except (_Encrypted, ValueError):
            return Finding(INVALID, f"{key} is encrypted: a key without a passphrase is needed"), None
    try:
        decoded = _shake_hands(server, files.certificate)
    except (ssl.SSLError, ValueError) as exc:
        reason = getattr(exc, "verify_message", "") or getattr(exc, "reason", "") or str(exc)
        return Finding(INVALID, f"{certificate} cannot be used by a server: {reason}"), None
    found = Finding(USABLE, "", _time(decoded, "notAfter"), _names(decoded))
    return found, _time(decoded, "notBefore")


def at(finding: Finding, not_before: datetime | None, certificate: Path, now: datetime) -> Finding:
    """The finding of `examine`, at this time."""
    if finding.state != USABLE:
        return finding
    if finding.not_after is not None and now >= finding.not_after:
        return Finding(
            EXPIRED, f"{certificate} expired at {finding.not_after:%Y-%m-%dT%H:%M:%SZ}", finding.not_after
        )
    if not_before is not None and now < not_before:
        return Finding(
            NOT_YET_VALID,
            f"{certificate} is valid from {not_before:%Y-%m-%dT%H:%M:%SZ}, and the clock here says "
            f"{now:%Y-%m-%dT%H:%M:%SZ}",
            finding.not_after,
        )
    return finding


class _Encrypted(Exception):
    """OpenSSL asked for a passphrase."""


def _no_password() -> str:
    raise _Encrypted


def _is_edwards(pem: bytes) -> bool:
    body = b"".join(line for line in pem.splitlines() if not line.startswith(b"-----"))
    try:
        start = base64.b64decode(body[:64])
    except ValueError:
        return False  # not PEM, as will be told
    return any(identifier in start for identifier in _EDWARDS)


def _load_fault(exc: ssl.SSLError, files: Files, certificate: Path, key: Path) -> Finding:
    if exc.reason in _OF_ANOTHER:
        return Finding(MISMATCHED, f"{key} is not the key of {certificate}")
    if b"-----BEGIN" not in files.certificate:
        return Finding(INVALID, f"{certificate} has no PEM certificate")
    if b"-----BEGIN" not in files.key:
        return Finding(INVALID, f"{key} has no PEM private key")
    return Finding(
        INVALID,
        f"{certificate} and {key} cannot be loaded: {exc.reason or 'not a PEM certificate and its key'}",
    )


def _shake_hands(server: ssl.SSLContext, certificates: bytes) -> Mapping[str, Any]:
    """What a client sees of the server's certificate. Raises SSLError, ValueError."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    # Who issued it is for its clients to judge: here it is taken for an authority itself.
    client.load_verify_locations(cadata=certificates.decode("ascii", errors="ignore"))
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _ANY_TIME
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(back, there, server_side=False),
        server.wrap_bio(there, back, server_side=True),
    )
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ends[0].getpeercert() or {}


def _names(decoded: Mapping[str, Any]) -> tuple[str, ...]:
    """What clients compare the server's name with; they do not look at its common name any more."""
    found = []
    for kind, value in decoded.get("subjectAltName", ()):
        if kind == "DNS":
            found.append(str(value))
        elif kind == "IP Address":
            found.append(str(ip_address(str(value).strip())))
    return tuple(found)


def _time(decoded: Mapping[str, Any], name: str) -> datetime | None:
    written = decoded.get(name)
    if not isinstance(written, str):
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(written), UTC)
