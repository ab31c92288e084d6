from __future__ import annotations

from datetime import timedelta

import pytest

from meshmeter.durations import parse_duration, parse_single


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("-0", 0),
        ("5s", 5),
        ("30s", 30),
        ("2m", 120),
        ("1m30s", 90),
        ("1h", 3600),
        ("250ms", 0.25),
        ("500ms", 0.5),
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
        "1m 30s",
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
    assert parse_single(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "2e", "10", "1h30m", "-1s", "1.5h", " 1s", "1s\n", "\u0661s", "9999999999y"]
)
def test_everything_else_is_none(text: str) -> None:
    assert parse_single(text) is None
