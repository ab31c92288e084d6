"""What an aggregate entry's files say: TLS trust and credentials, read on the proxy's host.

Files are read when they are needed, so that a rotated token or CA is in use with the next scrape. Nothing of their
content ever appears in an error.
"""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

from meshmeter.scrape.config import SourceOptions

LARGEST_FILE = 64 << 10
"""Bytes of a token or password file."""


class CredentialsError(Exception):
    """A file that the entry names cannot be used; the message names the file and the reason."""


class TlsContexts:
    """TLS settings by entry, made anew when a CA file changes."""

    def __init__(self) -> None:
        self._contexts: dict[tuple[str, bool], tuple[tuple[int, int, int], ssl.SSLContext]] = {}

    def get(self, options: SourceOptions) -> ssl.SSLContext:
        """The context for an https entry. Raises CredentialsError."""
        key = (options.ca_file, options.insecure_skip_verify)
        stamp = _stamp(options.ca_file)
        found = self._contexts.get(key)
        if found is None or found[0] != stamp:
            found = self._contexts[key] = (stamp, _context(options))
        return found[1]


def authorization(options: SourceOptions) -> dict[str, str]:
    """The Authorization header that the entry asks for, or nothing. Raises CredentialsError."""
    if options.bearer_token_file:
        return {"Authorization": f"Bearer {_read(options.bearer_token_file)}"}
    if options.basic_auth_file:
        pair = _read(options.basic_auth_file)
        if ":" not in pair:
            raise CredentialsError(f"{options.basic_auth_file}: must hold user:password")
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}


def _read(file: str) -> str:
    """One line of printable text."""
    try:
        with Path(file).open("rb") as opened:
            content = opened.read(LARGEST_FILE + 1)
        text = content.decode().strip()
    except OSError as exc:
        raise CredentialsError(f"{file}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise CredentialsError(f"{file}: is not UTF-8 text") from exc
    if not text or len(content) > LARGEST_FILE or not text.isprintable():
        raise CredentialsError(f"{file}: must hold one line of text")
    return text


def _stamp(file: str) -> tuple[int, int, int]:
    if not file:
        return (0, 0, 0)
    try:
        status = Path(file).stat()
    except OSError as exc:
        raise CredentialsError(f"{file}: {exc.strerror}") from exc
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def _context(options: SourceOptions) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.ca_file or None)
    except OSError as exc:  # ssl.SSLError is one
        raise CredentialsError(f"{options.ca_file}: is no PEM file of certificates") from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if options.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
