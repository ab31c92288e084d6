"""What others sent, made fit to be kept, logged and shown: of bounded length, and without characters that steer."""

from __future__ import annotations

NAME = 256
"""Characters that are kept of a name, a version or an id: the longest name that a resource may have fits."""

WORDS = 2000
"""Characters that are kept of a message in somebody's own words."""


def quoted(text: str, limit: int = NAME) -> str:
    """At most `limit` characters of `text`, and how many there were if it is cut.

    Whatever is not printable (control characters, line breaks, marks that turn the direction of writing, lone
    surrogates) is escaped as in Python, so that nobody can forge a line or steer a terminal.
    """
    kept = text[:limit]
    if not kept.isprintable():
        kept = "".join(char if char.isprintable() else _escape(char) for char in kept)
    return kept if len(text) <= limit else f"{kept}… ({len(text)} characters)"


def words(text: str) -> str:
    """A message of several lines as one: what it says, quoted."""
    start = text[: 2 * WORDS]  # of megabytes no more is looked at
    lines = "; ".join(line for each in start.split("\n") if (line := each.strip()))
    if len(text) <= len(start) and len(lines) <= WORDS:
        return quoted(lines, WORDS)
    return f"{quoted(lines[:WORDS], WORDS)}… ({len(text)} characters)"


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
