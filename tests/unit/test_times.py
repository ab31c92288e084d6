from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from meshmeter.times import Precision, read_rfc3339, rfc3339

MOMENT = datetime(2026, 1, 2, 5, 4, 5, 678900, timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    ("precision", "text"),
    [
        ("seconds", "2026-01-02T03:04:05Z"),
        ("milliseconds", "2026-01-02T03:04:05.678Z"),
        ("auto", "2026-01-02T03:04:05.678900Z"),
    ],
)
def test_times_are_written_in_utc(precision: Precision, text: str) -> None:
    assert rfc3339(MOMENT, precision) == text


def test_what_is_written_is_read_and_other_offsets_too() -> None:
    assert read_rfc3339(rfc3339(MOMENT, "auto")) == MOMENT
    assert read_rfc3339("2026-01-02T05:04:05.678900+02:00") == MOMENT
    first = datetime(1, 1, 1, tzinfo=UTC)
    assert read_rfc3339(rfc3339(first)) == first


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-02T03:04:05", "2026-01-02"])
def test_a_time_without_a_zone_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        read_rfc3339(text)
