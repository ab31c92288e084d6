"""Numbers as Prometheus reads and writes them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshmeter.exposition.numbers import bound, canonical, is_time, parse, shortest, time, total


@pytest.mark.parametrize(
    "text", [b"", b"x", b"1_0", b"0x1p2", b"1e999", b"-1e999", b"+nan", b" 1", b"1e", b".", b"\xd9\xa1"]
)
def test_what_is_no_number(text: bytes) -> None:
    assert parse(text) is canonical(text) is bound(text) is None


def test_spellings() -> None:
    assert [canonical(t) for t in (b"1.50", b"+1", b".5", b"5.", b"inF", b"-INFINITY", b"nAn")] == [
        b"1.50", b"+1", b".5", b"5.", b"+Inf", b"-Inf", b"NaN",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        (b"0.5", b"0.5"), (b"1", b"1"), (b"1.0", b"1"), (b"300000", b"300000"), (b"1800000", b"1.8e+06"),
        (b"3600000", b"3.6e+06"), (b"0.0001", b"0.0001"), (b"0.00001", b"1e-05"), (b"0.000012", b"1.2e-05"),
        (b"-2.5", b"-2.5"), (b"1e100", b"1e+100"), (b"123456.75", b"123456.75"), (b"1234567.5", b"1.2345675e+06"),
        (b"inf", b"+Inf"), (b"-0", b"0"), (b"100", b"100"),
    ],
)  # fmt: skip
def test_bounds_are_spelled_as_go_does(text: bytes, spelled: bytes) -> None:
    assert bound(text) == spelled


@given(st.floats(allow_nan=False))
def test_a_bound_keeps_its_number(number: float) -> None:
    spelled = bound(shortest(number))
    assert spelled is not None
    assert parse(spelled) == number


def test_totals() -> None:
    assert total([b"1", b"2"]) == b"3"
    assert total([b"9" * 18] * 3) == b"2999999999999999997"
    assert total([b"0.1", b"0.2"]) == b"0.30000000000000004"
    assert total([b"0.5", b"1.5"]) == b"2"
    assert total([b"1", b"NaN"]) == b"NaN"
    assert total([b"-Inf", b"1"]) == b"-Inf"


def test_timestamps() -> None:
    for text, seconds in (
        (b"0", b"0"),
        (b"1500", b"1.5"),
        (b"001", b"0.001"),
        (b"1395066363000", b"1395066363"),
    ):
        assert time(text, openmetrics=False, to_openmetrics=True) == seconds
        assert time(text, openmetrics=False, to_openmetrics=False) == text
    for text, milliseconds in (
        (b"1.5", b"1500"),
        (b"1e3", b"1000000"),
        (b"1395066363.0005", b"1395066363000"),
    ):
        assert time(text, openmetrics=True, to_openmetrics=False) == milliseconds
    for text in (b"-1", b"NaN", b"1e16", b"1e999", b"-inf"):
        assert is_time(text)
        for openmetrics, to_openmetrics in ((False, False), (False, True), (True, False), (True, True)):
            assert time(text, openmetrics=openmetrics, to_openmetrics=to_openmetrics) is None
    assert not is_time(b"x") and not is_time(b"1_0") and not is_time(b"0x1")


def test_shortest() -> None:
    assert [shortest(n) for n in (1.0, 0.1, 1e16, math.inf, -math.inf, math.nan)] == [
        b"1", b"0.1", b"1e+16", b"+Inf", b"-Inf", b"NaN",
    ]  # fmt: skip
