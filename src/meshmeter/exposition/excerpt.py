"""What of a foreign line is shown to people."""

from __future__ import annotations

EXCERPT = 120
"""Bytes of a line that are shown at most, before they are escaped."""


def cut(line: bytes) -> bytes:
    """The beginning of a line, no longer than `EXCERPT` and with no character cut in two. No more than one byte after
    `EXCERPT` is looked at."""
    if len(line) > EXCERPT:
        for end in range(EXCERPT, EXCERPT - 4, -1):
            if line[end] & 0xC0 != 0x80:  # a character begins here
                return line[:end]
    return line[:EXCERPT]


def escaped(text: bytes) -> str:
    """Text that cannot steer a terminal, nor look like something else on it: control characters, line ends, marks that
    turn the direction of writing, invisible ones and bytes that are not UTF-8 are written as `\\x1b`, `\\u202e` and so
    on. Escaped text stays as it is."""
    decoded = text.decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in decoded)


def excerpt(line: bytes) -> str:
    """The beginning of a line for people."""
    return escaped(cut(line))
