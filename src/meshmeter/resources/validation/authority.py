"""Rules for the certificate authorities of a Mesh (kuma-facts 1.4, 9.7).

Nothing is read from elsewhere: a `file` or `secret` is judged when the authority is loaded, inline data here.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from meshmeter.durations import parse_single
from meshmeter.errors import Violation
from meshmeter.resources import paths, syntax
from meshmeter.resources.mesh import MtlsBackend
from meshmeter.secrecy import has_private_key

BUILTIN = "builtin"
PROVIDED = "provided"

SMALLEST_RSA, LARGEST_RSA = 2048, 8192
"""Bits of the key of an authority that we make."""

_LONGEST_SECRET_NAME = 255
_SOURCES = ("secret", "file", "inline", "inlineString")

FileReader = Callable[[str], bytes]
"""Gives the content of a file. Raises OSError."""


def builtin_ca_violations(mesh: str, backend: MtlsBackend, path: str) -> Iterator[Violation]:
    """Faults of an authority that the control plane makes itself: its name becomes part of a secret's
    name."""
    name = backend.name or ""
    if len(f"{mesh}.ca-builtin-cert-{name}") > _LONGEST_SECRET_NAME:
        yield Violation(f"{path}.name", f"Backend name is too long. Max length: {_LONGEST_SECRET_NAME}")
    elif syntax.name_fault(name) not in (None, syntax.TOO_LONG.format(syntax.LONGEST_NAME)):
        yield Violation(f"{path}.name", f'"{name}" name must be valid dns name')
    if "caCert" in (backend.conf or {}):
        yield from _ca_cert_violations((backend.conf or {})["caCert"], f"{path}.conf.caCert")


def _ca_cert_violations(written: object, path: str) -> Iterator[Violation]:
    if not isinstance(written, Mapping):
        yield Violation(path, "must be a mapping with RSAbits, expiration")
        return
    for name, value in written.items():
        at = paths.child(path, name)
        match name:
            case "RSAbits" | "rsaBits":
                if not isinstance(value, int) or not SMALLEST_RSA <= value <= LARGEST_RSA:
                    yield Violation(at, f"must be a number from {SMALLEST_RSA} to {LARGEST_RSA}")
            case "expiration":
                if not isinstance(value, str) or not parse_single(value):
                    yield Violation(at, "has to be a valid format")
            case _:
                yield Violation(at, "unknown field")


def provided_ca_violations(
    conf: Mapping[str, Any], path: str, *, read_file: FileReader | None = None
) -> Iterator[Violation]:
    """Faults of the user's own authority. With `read_file` the content of files is judged too."""
    loaded: dict[str, bytes] = {}
    complete = True
    for part in ("cert", "key"):
        at = paths.child(path, part)
        source = conf.get(part)
        try:
            data = _load(source, read_file)
        except _Unusable as fault:
            complete = False
            yield Violation(at, str(fault))
        else:
            if data is not None:
                loaded[part] = data
    for name in conf:
        if name not in ("cert", "key"):
            yield Violation(paths.child(path, name), "unknown field")
    if complete and len(loaded) == 2:
        reason = _pair_fault(loaded["cert"], loaded["key"])
        if reason is not None:
            yield Violation(paths.child(path, "cert"), f"not a valid TLS key pair: {reason}")
        else:
            for reason in _authority_faults(loaded["cert"]):
                yield Violation(paths.child(path, "cert"), reason)


def written_key_violations(conf: Mapping[str, Any], path: str) -> Iterator[Violation]:
    """A private key that is written beside the certificate: it would be shown with it."""
    source = conf.get("cert")
    for name in ("inline", "inlineString"):
        written = source.get(name) if isinstance(source, Mapping) else None
        if isinstance(written, str) and has_private_key(written):
            yield Violation(
                paths.child(path, "cert"),
                "has a private key beside the certificate: write only certificates here; the key belongs into "
                "conf.key, best as a secret (`meshmeter secret put`)",
            )


class _Unusable(Exception):
    """A data source has no data."""


def _load(source: object, read_file: FileReader | None) -> bytes | None:
    """The data of a source; None if it is elsewhere."""
    if source is None:
        raise _Unusable("has to be defined")
    if not isinstance(source, Mapping):
        raise _Unusable("must be a mapping with one of secret, file, inline")
    chosen = [name for name in _SOURCES if source.get(name)]
    if not chosen:
        raise _Unusable("data source has to be chosen. Available sources: secret, file, inline")
    if len(chosen) > 1:
        raise _Unusable(f"only one data source may be chosen, not {' and '.join(chosen)}")
    value = source[chosen[0]]
    if not isinstance(value, str):
        raise _Unusable(f"{chosen[0]} must be a string")
    match chosen[0]:
        case "inlineString":
            return value.encode(errors="replace")
        case "inline":
            try:
                return base64.b64decode(value, validate=True)
            except (binascii.Error, ValueError):
                raise _Unusable("could not load data: inline is not valid base64") from None
        case "file" if read_file is not None:
            try:
                return read_file(value)
            except OSError as error:
                reason = error.strerror or type(error).__name__
                raise _Unusable(f"could not load data: open {value}: {reason}") from None
    return None


def _pair_fault(cert: bytes, key: bytes) -> str | None:
    """Why certificate and key do not belong together. Never contains anything of the key."""
    try:
        certificate = x509.load_pem_x509_certificates(cert)[0]
    except x509.InvalidVersion as exc:
        return f"a certificate in cert has a version that does not exist: {exc}"
    except ValueError:
        return "no PEM certificate found in cert"
    try:
        private = load_pem_private_key(key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "no unencrypted PEM private key found in key"
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    try:
        same = certificate.public_key().public_bytes(*form) == private.public_key().public_bytes(*form)
    except (ValueError, UnsupportedAlgorithm):
        return "the certificate's public key cannot be used"
    return None if same else "private key does not match public key"


def _authority_faults(cert: bytes) -> Iterator[str]:
    """Why the certificate cannot sign others."""
    extensions = _extensions(x509.load_pem_x509_certificates(cert)[0])
    if extensions is None:
        yield "certificate has unreadable extensions"
        return
    try:
        authority = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        authority = False
    if not authority:
        yield "basic constraint 'CA' must be set to 'true' (see X509-SVID: 4.1. Basic Constraints)"
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        yield "key usage extension 'keyCertSign' must be set (see X509-SVID: 4.3. Key Usage)"
        return
    if not usage.key_cert_sign:
        yield "key usage extension 'keyCertSign' must be set (see X509-SVID: 4.3. Key Usage)"
    if usage.key_agreement:
        yield "key usage extension 'keyAgreement' must NOT be set (see X509-SVID: 4.3. Key Usage)"


def _extensions(certificate: x509.Certificate) -> x509.Extensions | None:
    try:
        return certificate.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return None
