"""Single annotation values and the words by which others are refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshmeter.resources.annotation_values import AnnotationError, flag, uint32


@pytest.mark.parametrize(
    ("value", "expected"),
    [("enabled", True), ("true", True), ("yes", True), ("disabled", False), ("false", False), ("no", False)],
)
def test_switches(value: str, expected: bool) -> None:
    assert flag("a.io/b", value) is expected


@pytest.mark.parametrize("value", ["", "True", "on", "1", " true", "true\n"])
def test_any_other_word_is_no_switch(value: str) -> None:
    with pytest.raises(AnnotationError, match=r'^annotation "a.io/b" has wrong value "'):
        flag("a.io/b", value)


@pytest.mark.parametrize(("value", "expected"), [("0", 0), ("080", 80), ("4294967295", 4294967295)])
def test_numbers(value: str, expected: int) -> None:
    assert uint32("a.io/b", value) == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "invalid syntax"),
        ("123a", "invalid syntax"),
        ("+1", "invalid syntax"),
        ("-1", "invalid syntax"),
        (" 1", "invalid syntax"),
        ("1_0", "invalid syntax"),
        ("0x10", "invalid syntax"),
        ("\u0661", "invalid syntax"),
        ("\u00b2", "invalid syntax"),
        ("4294967296", "value out of range"),
        ("9" * 5000, "value out of range"),
    ],
)
def test_what_is_no_number_of_32_bits(value: str, reason: str) -> None:
    words = re.escape('failed to parse annotation "a.io/b": strconv.ParseUint: parsing "')
    with pytest.raises(AnnotationError, match=f"^{words}.*: {reason}$"):
        uint32("a.io/b", value)


@given(st.text())
def test_whatever_the_value_is_the_error_is_one_printable_line(value: str) -> None:
    for reader in (flag, uint32):
        try:
            reader("a.io/b", value)
        except AnnotationError as error:
            assert str(error).isprintable()
