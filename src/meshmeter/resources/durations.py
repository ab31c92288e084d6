"""Durations as `dpCert` writes them: one number and one unit (kuma-facts 1.4)."""

from __future__ import annotations

import re
from datetime import timedelta

_SYNTAX = re.compile(r"([0-9]{1,12})(y|w|d|h|m|s|ms)")
_UNITS = {
    "y": timedelta(days=365),
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}


def parse_duration(text: str) -> timedelta | None:
    """The duration, e.g. of `24h`, `4d`, `2y` (a year has 365 days) or `0`; None if it is none of these."""
    if text == "0":
        return timedelta()
    match = _SYNTAX.fullmatch(text)
    if match is None:
        return None
    try:
        return int(match[1]) * _UNITS[match[2]]
    except OverflowError:
        return None
