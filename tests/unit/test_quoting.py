"""What is kept of others' words."""

from __future__ import annotations

import pytest

from meshmeter.quoting import quoted, words


def test_what_is_harmless_stays_as_it_is() -> None:
    assert quoted("backend-1 \\ é 日本") == "backend-1 \\ é 日本"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nERROR forged", "a\\nERROR forged"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\u2028b", "a\\u2028b"),
        ("\u202egnp", "\\u202egnp"),
        ("\x85", "\\x85"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_steers_is_escaped(text: str, shown: str) -> None:
    assert quoted(text) == shown
    shown.encode()


def test_what_is_long_is_cut_and_its_length_told() -> None:
    assert quoted("x" * 300, 10) == "xxxxxxxxxx… (300 characters)"
    assert quoted("x" * 10, 10) == "x" * 10
    assert len(quoted("\0" * 3_000_000, 100)) < 500


def test_a_message_of_several_lines_is_one_line() -> None:
    assert words("cannot bind 'a'\n  kuma:metrics: \x1b[2J\n") == "cannot bind 'a'; kuma:metrics: \\x1b[2J"
    told = words("x\n" + "y" * 3_000_000)
    assert told.startswith("x; yyy") and told.endswith("… (3000002 characters)") and len(told) < 2100
