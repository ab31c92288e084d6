"""What an aggregate entry's files say: TLS trust and credentials, read on the proxy's host.

Files are read when they are needed, so that a rotated token or CA is in use with the next scrape, and only where the
agent's operator allowed it (`allowed_files`). Nothing of their content ever appears in an error.
"""

from __future__ import annotations

import base64
import ssl

from meshmeter.agent.allowed_files import AllowedFiles, FileRefused
from meshmeter.scrape.config import SourceOptions

LARGEST_FILE = 64 << 10
"""Bytes of a token or password file."""

LARGEST_BUNDLE = 4 << 20
"""Bytes of a file of authorities; a system's own has some 250 kB."""


class CredentialsError(Exception):
    """A file that the entry names cannot be used; the message names the file and the reason."""


class TlsContexts:
    """TLS settings by entry, made anew when a CA file changes."""

    def __init__(self, files: AllowedFiles) -> None:
        self._files = files
        self._contexts: dict[tuple[str, bool], tuple[bytes, ssl.SSLContext]] = {}

    def get(self, options: SourceOptions) -> ssl.SSLContext:
        """The context for an https entry. Raises CredentialsError."""
        key = (options.ca_file, options.insecure_skip_verify)
        bundle = _content(self._files, options.ca_file, LARGEST_BUNDLE) if options.ca_file else b""
        found = self._contexts.get(key)
        if found is None or found[0] != bundle:
            found = self._contexts[key] = (bundle, _context(options, bundle))
        return found[1]


def authorization(options: SourceOptions, files: AllowedFiles) -> dict[str, str]:
    """The Authorization header that the entry asks for, or nothing. Raises CredentialsError."""
    if options.bearer_token_file:
        return {"Authorization": f"Bearer {_read(files, options.bearer_token_file)}"}
    if options.basic_auth_file:
        pair = _read(files, options.basic_auth_file)
        if ":" not in pair:
            raise CredentialsError(f"{options.basic_auth_file}: must hold user:password")
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}


def _content(files: AllowedFiles, file: str, limit: int) -> bytes:
    try:
        return files.read(file, limit)
    except FileRefused as exc:
        raise CredentialsError(str(exc)) from exc
    except OSError as exc:
        raise CredentialsError(f"{file}: {exc.strerror}") from exc


def _read(files: AllowedFiles, file: str) -> str:
    """One line of printable text."""
    try:
        text = _content(files, file, LARGEST_FILE).decode().strip()
    except UnicodeDecodeError as exc:
        raise CredentialsError(f"{file}: is not UTF-8 text") from exc
    if not text or not text.isprintable():
        raise CredentialsError(f"{file}: must hold one line of text")
    return text


def _context(options: SourceOptions, bundle: bytes) -> ssl.SSLContext:
    # What stands between the certificates may be in any encoding.
    authorities = bundle.decode("ascii", errors="ignore")
    try:
        if options.ca_file and "-----BEGIN" not in authorities:
            raise ValueError  # an empty one would mean those of the system
        context = ssl.create_default_context(cadata=authorities or None)
    except (ssl.SSLError, ValueError) as exc:
        raise CredentialsError(f"{options.ca_file}: is no PEM file of certificates") from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if options.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
