"""Durations in request parameters: those of Go (`1h30m`, `250ms`) and of Prometheus (`1d`, `2w`) (deviations
D21).

    duration = ["+" | "-"] ( "0" | 1*( number unit ) )
    number   = digits ["." [digits]] | "." digits
    unit     = "ns" | "us" | "µs" | "ms" | "s" | "m" | "h" | "d" | "w" | "y"       (y = 365 d)
"""

from __future__ import annotations

import re

_SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "\u00b5s": 1e-6,  # micro sign
    "\u03bcs": 1e-6,  # Greek mu, which keyboards give as well
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 7 * 86400.0,
    "y": 365 * 86400.0,
}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(" + "|".join(_SECONDS) + ")")
_MAX_LENGTH = 64


def parse_duration(text: str) -> float:
    """Seconds, negative ones included. ValueError, with a sentence for the user, for anything else."""
    body = text[1:] if text[:1] in ("+", "-") else text
    position, seconds = 0, 0.0
    if body != "0" and len(text) <= _MAX_LENGTH:
        while part := _PART.match(body, position):
            seconds += float(part[1]) * _SECONDS[part[2]]
            position = part.end()
    if body != "0" and (position == 0 or position < len(body)):
        raise ValueError(f"{text[:_MAX_LENGTH]!r} is not a duration such as 30s, 1m30s or 1d")
    return -seconds if text.startswith("-") else seconds
