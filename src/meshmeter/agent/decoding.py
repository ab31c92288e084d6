"""Content-Encoding of an answer, undone piece by piece and never beyond a limit."""

from __future__ import annotations

import zlib
from io import BytesIO

ACCEPT_ENCODING = "gzip, deflate"


class DecodingError(ValueError):
    """The bytes are not what Content-Encoding says."""


class TooLarge(ValueError):
    """The decoded body is longer than allowed."""


class Decoder:
    """Feed it the body as it arrives; `finish` gives the whole. At no time does it hold more than `limit` bytes of
    the result, however much a small input would expand to."""

    def __init__(self, encoding: str, limit: int):
        """Raises DecodingError for an encoding other than gzip, deflate and identity."""
        self._encoding = encoding.strip().lower()
        if self._encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise DecodingError(f"unknown Content-Encoding {encoding[:40]!r}")
        self._limit = limit
        self._inflate: zlib._Decompress | None = None
        self._members = 0
        self._body = BytesIO()
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Raises DecodingError, TooLarge."""
        if self._encoding in ("", "identity"):
            self._add(data)
            return
        while data:
            if self._inflate is None:
                if self._members:  # padding may follow a member, and another member (RFC 1952, 2.2)
                    data = data.lstrip(b"\0")
                    if not data:
                        return
                self._inflate = zlib.decompressobj(self._window(data))
            try:
                self._add(self._inflate.decompress(data, self._limit - self._size + 1))
            except zlib.error as exc:
                raise DecodingError(f"the body is not {self._encoding}") from exc
            data = self._inflate.unconsumed_tail
            if self._inflate.eof:
                data = self._inflate.unused_data
                self._members += 1
                self._inflate = None

    def finish(self) -> bytes:
        """The decoded body. Raises DecodingError if it is cut short."""
        if self._inflate is not None:
            raise DecodingError(f"the {self._encoding} body is cut short")
        return self._body.getvalue()  # without a copy, where it can

    def _add(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise TooLarge(f"the body is longer than {self._limit} bytes")
        self._body.write(data)

    def _window(self, data: bytes) -> int:
        """`deflate` means a zlib stream, but some servers send a bare one."""
        if self._encoding != "deflate":
            return zlib.MAX_WBITS | 16
        return zlib.MAX_WBITS if data[0] & 0x0F == 8 else -zlib.MAX_WBITS
