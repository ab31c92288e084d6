"""What came back from the sources of one scrape, as data. Failing is an ordinary result."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from meshmeter.exposition.formats import Format


class Reason(StrEnum):
    """Why a source gave nothing; the value of the label `reason` of `meshmeter_source_error`."""

    CONNECT = "connect"
    """Nobody listens, the name does not resolve, or the socket is not there."""
    TIMEOUT = "timeout"
    STATUS = "status"
    """Another status than 200; redirects are not followed."""
    TOO_LARGE = "too_large"
    """More bytes, after decompression, than a source may have."""
    DECODE = "decode"
    """The compression is unknown or the compressed data are damaged."""
    CONTENT_TYPE = "content_type"
    """No Prometheus text and no OpenMetrics."""
    PROTOCOL = "protocol"
    """The answer is no HTTP, or the connection broke within it."""
    FORBIDDEN_ADDRESS = "forbidden_address"
    """The name resolved to an address that must not be asked."""


@dataclass(frozen=True, slots=True)
class FetchResult:
    """One source's answer, or why there is none."""

    source: str
    seconds: float
    """How long it took."""
    bodies: tuple[bytes, ...] = field(default=(), repr=False)
    """The body; for Envoy possibly two, to be intersected."""
    format: Format = Format.TEXT
    error: Reason | None = None
    detail: str = ""
    """For people: what exactly went wrong."""

    @property
    def size(self) -> int:
        """Bytes received, after decompression."""
        return sum(map(len, self.bodies))
