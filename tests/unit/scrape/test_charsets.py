"""Charsets: which are read, and that the others cost nothing."""

from __future__ import annotations

import pytest

from meshmeter.scrape.charsets import CharsetError, TooLong, in_utf8

TEXT = 'a{x="é"} 1\n'
ALSO = 'a{x="€"} 1\n'
LONG = "é€🦆" * 50_000


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("utf-8", TEXT.encode()),
        ("UTF8", TEXT.encode()),
        ("", TEXT.encode()),
        ("us-ascii", TEXT.encode()),
        ("ANSI_X3.4-1968", TEXT.encode()),
        ("iso-8859-1", TEXT.encode("latin-1")),
        ("ISO_8859-1", TEXT.encode("latin-1")),
        ("latin-1", TEXT.encode("latin-1")),
        ("iso-8859-15", TEXT.encode("latin-1")),
        ("windows-1252", TEXT.encode("latin-1")),
        ("cp1252", TEXT.encode("latin-1")),
        ("utf-16", TEXT.encode("utf-16")),
        ("utf-16", b"\xfe\xff" + TEXT.encode("utf-16-be")),
        ("utf-16le", TEXT.encode("utf-16-le")),
        ("UTF-16BE", ("\ufeff" + TEXT).encode("utf-16-be")),
        ("utf-32", TEXT.encode("utf-32")),
        ("utf-32be", TEXT.encode("utf-32-be")),
    ],
)
def test_what_is_read(name: str, written: bytes) -> None:
    assert in_utf8(written, name, 100) == TEXT.encode()


def test_the_charsets_of_europe_differ_in_the_euro() -> None:
    assert in_utf8(ALSO.encode("iso-8859-15"), "latin9", 100) == ALSO.encode()
    assert in_utf8(ALSO.encode("cp1252"), "windows-1252", 100) == ALSO.encode()


@pytest.mark.parametrize("name", ["utf-16", "utf-32", "utf-16-be"])
def test_a_long_body_is_the_same_in_pieces(name: str) -> None:
    assert in_utf8(LONG.encode(name), name, 1 << 20) == LONG.encode()


OTHERS = (
    "punycode idna utf-7 zlib rot13 unicode_escape raw_unicode_escape utf-8-sig mbcs gbk hz base64 undefined "
    "string_escape latin-1\x00 ../x binary unknown-8bit"
)


@pytest.mark.parametrize("name", OTHERS.split())
def test_others_are_refused_by_name(name: str) -> None:
    with pytest.raises(CharsetError, match="only UTF-8, US-ASCII, ISO-8859-1"):
        in_utf8(b"a 1\n" * 300_000, name, 1 << 30)


@pytest.mark.parametrize(
    ("name", "body"),
    [("utf-16", b"abc"), ("utf-16", b"\x00\xd8a\x00"), ("utf-32", b"\xff" * 8), ("windows-1252", b"\x81")],
)
def test_a_body_in_another_charset_than_it_says(name: str, body: bytes) -> None:
    with pytest.raises(CharsetError, match="is not in the charset"):
        in_utf8(body, name, 100)


def test_the_limit_is_of_what_comes_out() -> None:
    body = b"\xe9" * 1000
    assert len(in_utf8(body, "latin-1", 2000)) == 2000
    with pytest.raises(TooLong, match="1999 bytes"):
        in_utf8(body, "latin-1", 1999)
