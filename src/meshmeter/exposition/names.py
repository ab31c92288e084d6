"""Metric and label names: which ones every Prometheus knows, and what becomes of the others.

Names of any UTF-8 are known from Prometheus 3 on, and only where a scraper asks for them (`escaping=allow-utf-8`).
For any other scraper they are put into the old alphabet by one of the schemes that Prometheus has for that
(https://prometheus.io/docs/instrumenting/escaping_schemes/). Names of the old alphabet are left as they are by every
scheme, as by Prometheus' own library for Go.
"""

from __future__ import annotations

import re
from enum import StrEnum

LEGACY_NAME = re.compile(rb"[a-zA-Z_:][a-zA-Z0-9_:]*")
LEGACY_LABEL = re.compile(rb"[a-zA-Z_][a-zA-Z0-9_]*")


class Escaping(StrEnum):
    """What becomes of a name that is not of the old alphabet; the word in `escaping=…`."""

    UTF8 = "allow-utf-8"
    """Nothing: it is written in quotes."""
    UNDERSCORES = "underscores"
    """Every other character becomes `_`."""
    DOTS = "dots"
    """A dot becomes `_dot_`, an underscore and every other character `__`."""
    VALUES = "values"
    """`U__` before it, an underscore becomes `__`, and every other character `_<hex>_`. Only this can be undone."""


def escape_name(name: bytes, escaping: Escaping) -> bytes:
    """A metric name, which is UTF-8, as the scheme has it."""
    if escaping is Escaping.UTF8 or not name or LEGACY_NAME.fullmatch(name):
        return name
    return _escaped(name.decode(), escaping, ":").encode()


def escape_label(name: bytes, escaping: Escaping) -> bytes:
    """A label name, which is UTF-8, as the scheme has it. It may have no colons."""
    if escaping is Escaping.UTF8 or LEGACY_LABEL.fullmatch(name):
        return name
    return _escaped(name.decode(), escaping, "").encode()


def _escaped(name: str, escaping: Escaping, more: str) -> str:
    made = []
    for at, character in enumerate(name):
        allowed = character.isascii() and (character.isalnum() or character in more)
        if allowed and (at > 0 or not character.isdigit()):
            made.append(character)
        elif escaping is Escaping.UNDERSCORES:
            made.append("_")
        elif character == "_" or (escaping is Escaping.DOTS and character != "."):
            made.append("__")
        else:
            made.append("_dot_" if escaping is Escaping.DOTS else f"_{ord(character):x}_")
    return ("U__" if escaping is Escaping.VALUES else "") + "".join(made)
