"""Times as text: RFC 3339, in UTC, the zone written `Z`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

Precision = Literal["seconds", "milliseconds", "auto"]
"""`auto`: with as much of a fraction as there is."""


def rfc3339(moment: datetime, precision: Precision = "seconds") -> str:
    """The text of a moment that has a time zone."""
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def read_rfc3339(text: str) -> datetime:
    """The moment that was written, with whatever offset. Raises ValueError, also if it has none."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment
