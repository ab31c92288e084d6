"""Bytes to text: UTF-8, and UTF-16 with a byte order mark, as a YAML reader has to take them (YAML 1.2, 5.2)."""

from __future__ import annotations

import codecs

from meshmeter.errors import InvalidResource, Violation

_SAVE_AS = "save it as UTF-8"
_MARKS = (
    # UTF-32 first: its little-endian mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "UTF-32", None),
    (codecs.BOM_UTF32_BE, "UTF-32", None),
    (codecs.BOM_UTF16_LE, "UTF-16", "utf-16-le"),
    (codecs.BOM_UTF16_BE, "UTF-16", "utf-16-be"),
)


def decode(content: bytes, *, origin: str) -> str:
    """The text, without a byte order mark. Raises InvalidResource, at `origin:line` where a place is known."""
    for mark, name, codec in _MARKS:
        if content.startswith(mark):
            if codec is None:
                raise _fault(origin, f"is text in {name}, which is not read: {_SAVE_AS}")
            return _decoded(content[len(mark) :], codec, name, origin)
    if b"\0" in content[:4]:
        raise _fault(
            origin, f"is not text, or text in UTF-16 or UTF-32 without a byte order mark: {_SAVE_AS}"
        )
    return _decoded(content, "utf-8-sig", "UTF-8", origin)


def _decoded(content: bytes, codec: str, name: str, origin: str) -> str:
    try:
        return content.decode(codec)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].decode(codec, errors="replace").count("\n") + 1
        raise _fault(origin, f"is not text in {name}", line) from error


def _fault(origin: str, reason: str, line: int = 0) -> InvalidResource:
    place = f"{origin}:{line}" if line else origin
    return InvalidResource([Violation(place, reason)], f"{origin} cannot be read")
