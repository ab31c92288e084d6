"""Numbers as Prometheus writes and reads them: values, bucket bounds, timestamps.

A number that Go's ParseFloat refuses fails a whole scrape, so what is accepted here is exactly what it accepts,
less hexadecimal and underscores, which Prometheus excludes itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from decimal import Decimal

_FINITE = re.compile(rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_INFINITE = re.compile(rb"([+-]?)inf(?:inity)?", re.IGNORECASE)
_EXACT = re.compile(rb"-?\d{1,18}")


def parse(text: bytes) -> float | None:
    """The number, or None if Prometheus would not read it (one too big for a float included)."""
    if _FINITE.fullmatch(text):
        number = float(text)
        return None if math.isinf(number) else number
    if found := _INFINITE.fullmatch(text):
        return -math.inf if found[1] == b"-" else math.inf
    return math.nan if text.lower() == b"nan" else None


def canonical(text: bytes) -> bytes | None:
    """The number as it was written, except that infinities and NaN have one spelling; None if it is none."""
    number = parse(text)
    if number is None:
        return None
    return text if math.isfinite(number) else shortest(number)


def shortest(number: float) -> bytes:
    """The shortest text that reads back as the same number: Python's repr without a trailing `.0`."""
    if math.isnan(number):
        return b"NaN"
    if math.isinf(number):
        return b"+Inf" if number > 0 else b"-Inf"
    return repr(number).removesuffix(".0").encode()


def total(values: Sequence[bytes]) -> bytes:
    """The sum of numbers that `parse` reads: exact while all are integers of up to 18 digits, else in floats
    from left to right."""
    if all(map(_EXACT.fullmatch, values)):
        return b"%d" % sum(map(int, values))
    result = 0.0
    for value in values:
        result += parse(value) or 0.0
    return shortest(result)


def bound(text: bytes) -> bytes | None:
    """A bucket bound in the one spelling that Go prints (exponents from 1e+06 on and below 1e-04), so that
    1800000 and 1.8e+06 are the same bucket; None if it is no number."""
    number = parse(text)
    if number is None or math.isnan(number):
        return None
    if not math.isfinite(number) or number == 0:
        return shortest(number) if number else b"0"
    sign, digits, exponent = _decimal(number)
    if exponent < -4 or exponent >= 6:
        mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
        return f"{sign}{mantissa}e{exponent:+03d}".encode()
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}".encode()
    if len(digits) <= exponent + 1:
        return f"{sign}{digits}{'0' * (exponent + 1 - len(digits))}".encode()
    return f"{sign}{digits[: exponent + 1]}.{digits[exponent + 1 :]}".encode()


def _decimal(number: float) -> tuple[str, str, int]:
    """Sign, shortest digits without zeros around them, and the power of ten of the first digit."""
    parts = Decimal(repr(number)).as_tuple()
    assert isinstance(parts.exponent, int)
    digits = "".join(map(str, parts.digits))
    exponent = len(digits) - 1 + parts.exponent
    return "-" if parts.sign else "", digits.rstrip("0"), exponent


def seconds(milliseconds: bytes) -> bytes:
    """An OpenMetrics timestamp from one of text 0.0.4."""
    whole, rest = divmod(abs(int(milliseconds)), 1000)
    sign = b"-" if milliseconds.startswith(b"-") and (whole or rest) else b""
    return sign + (b"%d.%03d" % (whole, rest)).rstrip(b"0") if rest else sign + b"%d" % whole


def milliseconds(seconds: bytes) -> bytes:
    """A text 0.0.4 timestamp from one of OpenMetrics, rounded half to even."""
    return b"%d" % round(float(seconds) * 1000)
