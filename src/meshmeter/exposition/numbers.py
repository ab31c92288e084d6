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
_TIME = re.compile(rb"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?|nan)", re.IGNORECASE)
_SECONDS = re.compile(rb"\d{1,16}(?:\.\d{1,18})?")
_TOO_LATE = 1 << 63
"""The first millisecond since 1970 that Prometheus has no number for."""


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


def exact(text: bytes) -> int | None:
    """An integer of up to 18 digits, which sums keep exact; None for all other numbers."""
    return int(text) if _EXACT.fullmatch(text) else None


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


def is_time(text: bytes) -> bool:
    """Whether it is a number, however large or odd: what stands where a timestamp does, and is meant to be one."""
    return bool(_TIME.fullmatch(text))


def time(text: bytes, *, openmetrics: bool, to_openmetrics: bool) -> bytes | None:
    """A timestamp as the format of the answer writes it; None if Prometheus could not read it there.

    Prometheus (2.42 and 3) reads in text 0.0.4 digits without a sign that are an int64 of milliseconds; anything else
    fails the scrape. In OpenMetrics it reads any finite number of seconds, but one before 1970 or beyond an int64 of
    milliseconds costs the sample, and text cannot say it: so it is no timestamp in either format.
    """
    if not openmetrics:
        digits = text.lstrip(b"0") or b"0"
        if not text.isdigit() or len(digits) > 19 or int(digits) >= _TOO_LATE:
            return None
        if not to_openmetrics:
            return text
        converted = _seconds(int(digits))
        return converted if float(converted) * 1000 < _TOO_LATE else None
    number = parse(text)
    if number is None or not 0 <= number * 1000 < _TOO_LATE:
        return None
    if to_openmetrics and _SECONDS.fullmatch(text):
        return text
    milliseconds = round(number * 1000)  # half to even
    return _seconds(milliseconds) if to_openmetrics else b"%d" % milliseconds


def _seconds(milliseconds: int) -> bytes:
    whole, rest = divmod(milliseconds, 1000)
    return (b"%d.%03d" % (whole, rest)).rstrip(b"0") if rest else b"%d" % whole
