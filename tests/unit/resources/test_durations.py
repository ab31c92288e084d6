from __future__ import annotations

from datetime import timedelta

import pytest

from meshmeter.resources.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("500ms", 0.5),
        ("10s", 10),
        ("5m", 300),
        ("24h", 86_400),
        ("4d", 4 * 86_400),
        ("2w", 14 * 86_400),
        ("2y", 2 * 365 * 86_400),
    ],
)
def test_one_number_and_one_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "2e", "10", "1h30m", "-1s", "1.5h", " 1s", "1s\n", "\u0661s", "9999999999y"]
)
def test_everything_else_is_none(text: str) -> None:
    assert parse_duration(text) is None
