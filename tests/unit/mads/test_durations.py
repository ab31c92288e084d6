"""Durations of Go and of Prometheus."""

from __future__ import annotations

import pytest

from meshmeter.mads.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("-0", 0),
        ("30s", 30),
        ("2m", 120),
        ("1m30s", 90),
        ("1h", 3600),
        ("250ms", 0.25),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("1.s", 1),
        ("+1s", 1),
        ("-1s", -1),
        ("1us", 1e-6),
        ("1\u00b5s", 1e-6),
        ("1\u03bcs", 1e-6),
        ("1000ns", 1e-6),
        ("1d", 86400),
        ("1w", 604800),
        ("1y", 31536000),
        ("1d12h", 129600),
    ],
)
def test_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "not-a-timeout",
        "30",
        "1",
        "s",
        "1x",
        "1 s",
        " 1s",
        "1s ",
        "--1s",
        "1e3s",
        "inf",
        "nan",
        ".s",
        "\uff11s",
    ],
)
def test_anything_else_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration such as 30s"):
        parse_duration(text)


def test_endless_input_is_refused_and_not_repeated_whole() -> None:
    with pytest.raises(ValueError) as refused:
        parse_duration("1s" * 10_000)
    assert len(str(refused.value)) < 200
