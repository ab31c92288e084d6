"""What must not be shown: private keys and credentials, wherever in a text or a document they stand."""

from __future__ import annotations

import base64
import binascii
import re

HIDDEN = "(hidden)"

_NAME = re.compile(
    r"(?i)token|secret|passw|passphrase|pwd|api[-_.]?key|access[-_.]?key|private|credential|auth(?!or(?!iz))|signature|"
    r"session|cookie|jwt|bearer|^(sig|key|pass|code|pin)$"
)
_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/?#@]+@")
_QUERY = re.compile(r"([?&;])([^?&;=\s]{1,100})=([^&;#\s'\"]+)")
_WORDS = re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")
_HEADER = re.compile(r"(?i)\b(bearer\s+|authorization['\"]?\s*[:=]\s*['\"]?(?:basic\s+)?)[\w.~+/=-]{16,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{64,}={0,2}\s*")


def names_a_credential(name: str) -> bool:
    """Whether what is called so (a parameter, a header) looks like a credential."""
    return _NAME.search(name) is not None


def has_private_key(text: str) -> bool:
    """Whether a PEM private key stands in the text, or in what it is the base64 of."""
    if _PEM.search(text):
        return True
    if not _BASE64.fullmatch(text):
        return False
    try:
        return b"PRIVATE KEY-----" in base64.b64decode(text)
    except (binascii.Error, ValueError):
        return False


def redact(text: str) -> str:
    """The text with `(hidden)` in the place of private keys, of passwords in URLs, and of tokens."""
    if "-----BEGIN" in text:
        text = _PEM.sub(HIDDEN, text)
    if "://" in text:
        text = _USERINFO.sub(rf"\1{HIDDEN}@", text)
    if "=" in text:
        text = _QUERY.sub(_hide_value, text)
    return _HEADER.sub(rf"\1{HIDDEN}", _WORDS.sub(HIDDEN, text))


def holds_credential(text: str) -> bool:
    """Whether `redact` would hide something of it."""
    return redact(text) != text


def _hide_value(found: re.Match[str]) -> str:
    start, name, _ = found.groups()
    return f"{start}{name}={HIDDEN}" if names_a_credential(name) else found.group()
