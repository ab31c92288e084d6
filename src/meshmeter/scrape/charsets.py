"""Charsets of bodies: the few that metrics are written in, made UTF-8.

Only what is decoded in linear time and cannot be mistaken: Python knows far more, some of them quadratic (`punycode`)
or no charset at all (`zlib`).
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from io import BytesIO
from types import MappingProxyType

READ = "UTF-8, US-ASCII, ISO-8859-1, ISO-8859-15, windows-1252, UTF-16 or UTF-32"

_PIECE = 64 << 10
"""Bytes that are decoded at a time; as text a body would take several times its memory."""

_UTF8 = frozenset({"", "utf8", "usascii", "ascii", "ansix341968", "iso646us"})

_CODECS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("iso88591", "latin1", "l1", "cp819"), "iso-8859-1"),
        **dict.fromkeys(("iso885915", "latin9", "l9"), "iso-8859-15"),
        **dict.fromkeys(("windows1252", "cp1252"), "cp1252"),
        **{
            f"utf{bits}{order}": f"utf-{bits}{order and '-'}{order}"
            for bits in (16, 32)
            for order in ("", "le", "be")
        },
    }
)
"""By name, without what separates its parts."""


class CharsetError(ValueError):
    """The body is not in the charset that is named, or that is none of `READ`."""


class TooLong(ValueError):
    """The body is longer in UTF-8 than allowed."""


def in_utf8(body: bytes, name: str, limit: int) -> bytes:
    """The body, of a charset that a Content-Type names, in UTF-8. Raises CharsetError, TooLong beyond `limit` bytes.

    A body that calls itself UTF-8 or ASCII is given back as it is: what is wrong in it costs only its line.
    """
    plain = name.strip().lower().translate(_SEPARATORS)
    if plain in _UTF8:
        return body
    codec = _CODECS.get(plain)
    if codec is None:
        raise CharsetError(f"the body is in the charset {name[:40]!r}: only {READ} are read")
    decoder, written = codecs.getincrementaldecoder(codec)(), BytesIO()
    try:
        for start in range(0, len(body), _PIECE):
            text = decoder.decode(body[start : start + _PIECE], start + _PIECE >= len(body))
            written.write((text if start else text.removeprefix("\ufeff")).encode())
            if written.tell() > limit:
                raise TooLong(f"the body is longer than {limit} bytes in UTF-8")
    except UnicodeError:
        raise CharsetError(f"the body is not in the charset {name[:40]!r} that it names") from None
    return written.getvalue()


_SEPARATORS = {ord(mark): None for mark in "-_.: "}
