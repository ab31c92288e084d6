"""What agents tell of the certificate for `providedTLS`: `{"state": …, "detail": …, "notAfter": …, "names": […]}`."""

from __future__ import annotations

from collections.abc import Mapping

from meshmeter.effective.credentials import CertificateState, ProvidedCertificate
from meshmeter.errors import InvalidResource, Violation
from meshmeter.times import read_rfc3339

MOST_NAMES, LONGEST_NAME = 100, 255
"""Names of a certificate that are kept, and characters of each."""

LONGEST_DETAIL = 1000
"""Characters that are kept of what an agent writes."""


def read_certificate(sent: object, field: str) -> ProvidedCertificate:
    """The report, checked. `field` is where it was. Raises InvalidResource."""
    if not isinstance(sent, Mapping):
        raise _bad(field, "must be an object")
    try:
        state = CertificateState(str(sent.get("state")))
    except ValueError:
        raise _bad(f"{field}.state", f"must be one of {', '.join(CertificateState)}") from None
    detail, written = sent.get("detail") or "", sent.get("notAfter")
    if not isinstance(detail, str):
        raise _bad(f"{field}.detail", "must be a text")
    try:
        not_after = read_rfc3339(written) if isinstance(written, str) else None
    except ValueError:
        not_after = None
    if written is not None and not_after is None:
        raise _bad(f"{field}.notAfter", "must be a time such as 2030-01-31T12:00:00Z")
    return ProvidedCertificate(
        state, detail[:LONGEST_DETAIL], not_after, _names(sent.get("names"), f"{field}.names")
    )


def _names(sent: object, field: str) -> tuple[str, ...] | None:
    if sent is None:
        return None
    if not isinstance(sent, list) or not all(isinstance(name, str) for name in sent):
        raise _bad(field, "must be a list of texts")
    return tuple(name[:LONGEST_NAME] for name in sent[:MOST_NAMES])


def _bad(field: str, reason: str) -> InvalidResource:
    return InvalidResource([Violation(field, reason)], "The report of a certificate is not valid")
