"""Content-Encoding of an answer, undone piece by piece and never beyond a limit.

gzip and deflate are always there; brotli and zstd with the extra `compression`. A word that names no compression says
nothing about the body (some servers write a media type or a charset there), which is read as it is.

A few bytes may come to very many: whatever one read holds, decoding gives way to the rest of the event loop in between.
"""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from io import BytesIO
from typing import Any, Protocol


def _module(name: str) -> Any:
    """None where it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        return None


brotli = _module("brotli")
zstd = _module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

PIECE = 64 << 10
"""Bytes that a decompressor may give at a time, about."""

TURN = 4
"""Pieces after which other tasks have their turn: about a millisecond."""

MOST_CODINGS = 3
"""That are undone one after the other."""

MOST_MEMBERS = 10_000
"""gzip members or zstd frames of a body. One costs microseconds even where nothing is in it, and another compression
makes millions of those out of a few hundred bytes."""

WINDOW = 23
"""Power of two of the bytes that zstd may look back: what every decoder of the web has (RFC 9659)."""

PLAIN = frozenset({"", "identity"})

COMPRESSIONS = frozenset(
    "aes128gcm br bzip2 compress dcb dcz exi lz4 lzma pack200-gzip snappy x-bzip2 x-compress x-lz4 x-lzma x-snappy "
    "x-snappy-framed x-xz xz zip zstd".split()
)
"""Words that say that a body is no text, where they cannot be undone."""


class DecodingError(ValueError):
    """The bytes are not what Content-Encoding says."""


class TooLarge(ValueError):
    """The decoded body is longer than allowed."""


class _Coding(Protocol):
    """One of the codings of a body."""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What more of the body decodes to. Raises DecodingError."""

    @property
    def is_whole(self) -> bool:
        """Whether the body may end here."""


class Decoder:
    """Feed it the body as it arrives; `finish` gives the whole. At no time does it hold more than `limit` bytes of
    the result, however much a small input would expand to."""

    def __init__(self, encoding: str, limit: int):
        """`encoding`: the header's words. Raises DecodingError for compressions that cannot be undone."""
        words = [word.partition(";")[0].strip().lower() for word in encoding.split(",")]
        for word in words:
            if word in COMPRESSIONS and word not in CODINGS:
                raise DecodingError(_not_supported(word))
        self._names = [word for word in words if word in CODINGS]
        if len(self._names) > MOST_CODINGS:
            raise DecodingError(f"the body has more than {MOST_CODINGS} Content-Encodings")
        self._codings = [CODINGS[name]() for name in self._names]
        self._given = [0] * len(self._codings)
        """Bytes that each has given."""
        self._odd = next((word for word in words if word not in CODINGS and word not in PLAIN), None)
        self._limit = limit
        self._received = 0
        self._pieces = 0
        """Made since other tasks had their turn."""
        self._body = BytesIO()

    async def feed(self, data: bytes) -> None:
        """Raises DecodingError, TooLarge."""
        self._received = self._bounded(self._received + len(data), PIECE)
        for _ in self._decode(data, len(self._codings) - 1):
            self._pieces += 1
            if self._pieces == TURN:
                self._pieces = 0
                await asyncio.sleep(0)

    def _decode(self, data: bytes, last: int) -> Iterator[None]:
        """Undo the codings up to the last of these, which was applied last; stops after each piece of any of them."""
        if last < 0:
            self._bounded(self._body.tell() + len(data))
            self._body.write(data)
            return
        for piece in self._codings[last].pieces(data):
            # What stands between two codings is bounded as well: it may be long and come to nothing.
            self._given[last] = self._bounded(self._given[last] + len(piece))
            yield
            yield from self._decode(piece, last - 1)

    def finish(self) -> bytes:
        """The decoded body. Raises DecodingError if it is cut short."""
        for name, coding in zip(self._names, self._codings, strict=True):
            if not coding.is_whole:
                raise DecodingError(f"the {name} body is cut short")
        body = self._body.getvalue()  # without a copy, where it can
        if self._odd is not None and b"\0" in body:
            raise DecodingError(f"unknown Content-Encoding {self._odd[:40]!r}, and the body is no text")
        return body

    def _bounded(self, size: int, more: int = 0) -> int:
        if size > self._limit + more:
            raise TooLarge(f"the body is longer than {self._limit} bytes")
        return size


def _not_supported(word: str) -> str:
    how = "install meshmeter[compression] for the agent, or " if word in ("br", "zstd") else ""
    return f"the body is compressed with {word!r}, which the agent cannot read: {how}let the application use gzip"


class _Inflate:
    """gzip, of any number of members, and deflate, which means a zlib stream, but some servers send a bare one."""

    def __init__(self, name: str):
        self._name = name
        self._inflate: zlib._Decompress | None = None
        self._members = 0

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._inflate is None:
                if self._members:  # padding may follow a member, and another member (RFC 1952, 2.2)
                    data = data.lstrip(b"\0")
                    if not data:
                        return
                self._inflate = zlib.decompressobj(self._window(data))
            try:
                piece = self._inflate.decompress(data, PIECE)
            except zlib.error as exc:
                raise DecodingError(f"the body is not {self._name}") from exc
            data = self._inflate.unconsumed_tail
            if self._inflate.eof:
                data = self._inflate.unused_data
                self._members = _one_more(self._members)
                self._inflate = None
            yield piece

    @property
    def is_whole(self) -> bool:
        return self._inflate is None

    def _window(self, data: bytes) -> int:
        if self._name != "deflate":
            return zlib.MAX_WBITS | 16
        return zlib.MAX_WBITS if data[0] & 0x0F == 8 else -zlib.MAX_WBITS


def _one_more(members: int) -> int:
    """Raises DecodingError."""
    if members == MOST_MEMBERS:
        raise DecodingError(f"the body has more than {MOST_MEMBERS} compressed parts")
    return members + 1


class _Brotli:
    def __init__(self) -> None:
        self._decompressor = brotli.Decompressor()
        self._is_empty = True

    def pieces(self, data: bytes) -> Iterator[bytes]:
        self._is_empty = False
        try:
            piece = self._decompressor.process(data, output_buffer_limit=PIECE)
            # It does not tell whether more comes of what it has, unless there is input that it has not looked at.
            while piece or not self._decompressor.can_accept_more_data():
                yield piece
                piece = self._decompressor.process(b"", output_buffer_limit=PIECE)
        except brotli.error as exc:
            raise DecodingError("the body is not brotli") from exc

    @property
    def is_whole(self) -> bool:
        return self._is_empty or bool(self._decompressor.is_finished())


class _Zstd:
    """zstd, of any number of frames."""

    def __init__(self) -> None:
        self._decompressor: Any = None
        self._frames = 0

    def pieces(self, data: bytes) -> Iterator[bytes]:
        try:
            while data or (self._decompressor is not None and not self._decompressor.needs_input):
                if self._decompressor is None:
                    options = {zstd.DecompressionParameter.window_log_max: WINDOW}
                    self._decompressor = zstd.ZstdDecompressor(options=options)
                piece, data = self._decompressor.decompress(data, PIECE), b""
                if self._decompressor.eof:
                    data, self._decompressor = self._decompressor.unused_data, None
                    self._frames = _one_more(self._frames)
                yield piece
        except zstd.ZstdError as exc:
            raise DecodingError("the body is not zstd, or looks back too far") from exc

    @property
    def is_whole(self) -> bool:
        return self._decompressor is None


def _codings() -> dict[str, Callable[[], _Coding]]:
    found: dict[str, Callable[[], _Coding]] = {
        name: partial(_Inflate, name) for name in ("gzip", "x-gzip", "deflate")
    }
    # Releases of brotli before 1.2 cannot bound what they give.
    if brotli is not None and hasattr(brotli.Decompressor, "can_accept_more_data"):
        found["br"] = _Brotli
    if zstd is not None:
        found["zstd"] = _Zstd
    return found


CODINGS: Mapping[str, Callable[[], _Coding]] = _codings()
"""What can be undone."""

ACCEPT_ENCODING = ", ".join(
    ["gzip", "deflate", *(f"{name};q=0.5" for name in ("zstd", "br") if name in CODINGS)]
)
"""gzip first: where an application has it, that is what it is used to do."""
