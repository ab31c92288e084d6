"""Durations as people write them. There are two grammars, and one table of units for both.

`parse_duration` reads those of Go (`1h30m`, `250ms`) and of Prometheus (`1d`, `2w`), for every option, variable and
request parameter (deviations D21):

    duration = ["+" | "-"] ( "0" | 1*( number unit ) )
    number   = digits ["." [digits]] | "." digits
    unit     = "ns" | "us" | "µs" | "ms" | "s" | "m" | "h" | "d" | "w" | "y"       (y = 365 d)

`parse_single` reads what Kuma allows in a resource, `expiration` of certificates first of all: one whole number and one
unit (kuma-facts 1.4).
"""

from __future__ import annotations

import re
from datetime import timedelta

_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "\u00b5s": 10**3,  # micro sign
    "\u03bcs": 10**3,  # Greek mu, which keyboards give as well
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
    "w": 7 * 86400 * 10**9,
    "y": 365 * 86400 * 10**9,
}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(" + "|".join(_NANOSECONDS) + ")")
_SINGLE = re.compile(r"([0-9]{1,12})(y|w|d|h|m|s|ms)")
_MAX_LENGTH = 64


def parse_duration(text: str) -> float:
    """Seconds, negative ones included. ValueError, with a sentence for the user, for anything else."""
    body = text[1:] if text[:1] in ("+", "-") else text
    position, nanoseconds = 0, 0.0
    if body != "0" and len(text) <= _MAX_LENGTH:
        while part := _PART.match(body, position):
            nanoseconds += float(part[1]) * _NANOSECONDS[part[2]]
            position = part.end()
    if body != "0" and (position == 0 or position < len(body)):
        raise ValueError(f"{text[:_MAX_LENGTH]!r} is not a duration such as 30s, 1m30s or 1d")
    return (-nanoseconds if text.startswith("-") else nanoseconds) / 1e9


def parse_single(text: str) -> timedelta | None:
    """The duration, e.g. of `24h`, `4d`, `2y` (a year has 365 days) or `0`; None if it is none of these."""
    if text == "0":
        return timedelta()
    match = _SINGLE.fullmatch(text)
    if match is None:
        return None
    try:
        return timedelta(microseconds=int(match[1]) * _NANOSECONDS[match[2]] // 1000)
    except OverflowError:
        return None
