"""Foreign lines on a terminal."""

from __future__ import annotations

import pytest

from meshmeter.exposition.excerpt import EXCERPT, cut, escaped, excerpt


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b'a{x="\\n\\"y"} 1e', 'a{x="\\n\\"y"} 1e'),
        ("zażółć 漢字 😀".encode(), "zażółć 漢字 😀"),
        (b"\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        (b"a\r\n\tb\x00\x7f", r"a\r\n\tb\x00\x7f"),
        (b"\xc2\x9b31m", r"\x9b31m"),
        (b"a\x9b\xff\xe2\x82", r"a\x9b\xff\xe2\x82"),
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),
        ("a\u202eb\u2066c\u200fd\u061c".encode(), r"a\u202eb\u2066c\u200fd\u061c"),
        ("a\u2028b\u200bc\u00add\ufeffe\u00a0f".encode(), r"a\u2028b\u200bc\xadd\ufeffe\xa0f"),
        ("\U000e0041".encode(), r"\U000e0041"),
    ],
)
@pytest.mark.attack("B1: a line of an application steers the terminal of who asks why it was dropped")
def test_hostile_lines_are_escaped(line: bytes, shown: str) -> None:
    assert excerpt(line) == shown
    assert shown.isprintable()
    assert escaped(shown.encode()) == shown


def test_long_lines_are_cut_between_characters() -> None:
    assert cut(b"x" * EXCERPT) == cut(b"x" * 999) == b"x" * EXCERPT
    for character in ("é", "漢", "😀"):
        for before in range(4):
            line = b"x" * before + character.encode() * EXCERPT
            kept = cut(line)
            assert line.startswith(kept) and EXCERPT - 3 <= len(kept) <= EXCERPT
            assert kept.decode()
            assert cut(line[: EXCERPT + 1]) == kept


def test_what_is_no_text_is_cut_all_the_same() -> None:
    assert cut(b"\x80" * 999) == b"\x80" * EXCERPT
    assert cut(b"a\xe2") == b"a\xe2"
