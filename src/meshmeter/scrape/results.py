"""FetchResult: what came back from one source, failure included."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FetchError(StrEnum):
    """Why a source gave nothing; the words of `meshmeter_source_error{reason=…}`."""

    TIMEOUT = "timeout"
    CONNECT = "connect"
    """No connection: refused, unreachable, or a name that does not resolve."""
    ADDRESS = "address"
    """The address is none that may be scraped (design 8)."""
    TLS = "tls"
    """The server's certificate is not trusted, or it does not speak TLS."""
    CREDENTIALS = "credentials"
    """A file that the entry names cannot be used."""
    STATUS = "status"
    """An answer other than 200, redirects that are not followed included."""
    TOO_LARGE = "too_large"
    DECODE = "decode"
    """The body is not what Content-Encoding or charset says."""
    PROTOCOL = "protocol"
    """Not HTTP, or an answer that breaks off."""
    FORMAT = "format"
    """An answer in which there is nothing that could be read as metrics."""


@dataclass(frozen=True, slots=True)
class FetchResult:
    """One fetched source."""

    name: str
    duration: float
    """Seconds."""
    body: bytes = b""
    """Decompressed."""
    content_type: str | None = None
    restrict_to: bytes | None = None
    """The answer of a second request: only series that are also in it count (Envoy with two filters)."""
    error: FetchError | None = None
    status: int = 0
    """Of an HTTP answer that was no success; 0 if there was none, or the error is another."""
    detail: str = ""
    """A sentence for people; names no secret."""
