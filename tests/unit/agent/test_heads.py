"""Heads of answers: which lengths count, and how long they may be. Real answers are in
tests/integration/test_odd_http.py."""

from __future__ import annotations

from itertools import chain

import pytest

from meshmeter.agent.heads import MOST_BYTES, MOST_FIELDS, Head, HeadRefused, settled

OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: 7\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("fields", "settles_to"),
    [
        (b"X: y\r\n", b"X: y\r\n"),
        (LENGTH, LENGTH),
        (LENGTH + b"X: y\r\n" + b"content-length:7\r\n", LENGTH + b"X: y\r\n"),
        (b"Content-Length: 7, 7\r\n", LENGTH),
        (b"Content-Length: 7,\r\n 7\r\n", LENGTH),
        (b"Content-Length: 007\r\n" + LENGTH, LENGTH),
        (b"Content-Length: 0\r\nContent-Length: 00\r\n", b"Content-Length: 0\r\n"),
        (b"Content-Length: +7\r\n", b"Content-Length: +7\r\n"),
        (b"My Field: y\r\n  z: 1\r\nX: y\r\n", b"X: y\r\n"),
        (b"Content Length: 9\r\n" + LENGTH, LENGTH),
        (b"my field without a colon\r\n", b"my field without a colon\r\n"),
        (LENGTH + CHUNKED, CHUNKED),
        (CHUNKED + LENGTH, CHUNKED),
        (b"CONTENT-LENGTH: 9\r\n" + CHUNKED + LENGTH, CHUNKED),
        (b"Content-Length: 9,\r\n\t8\r\n" + CHUNKED, CHUNKED),
        (b"Transfer-Encoding: gzip, Chunked \r\n" + LENGTH, b"Transfer-Encoding: gzip, Chunked \r\n"),
        (b"Transfer-Encoding: identity\r\n" + LENGTH, b"Transfer-Encoding: identity\r\n" + LENGTH),
        (b"X-Content-Length: 9\r\n" + LENGTH, b"X-Content-Length: 9\r\n" + LENGTH),
        (b"X \t: y\r\n", b"X: y\r\n"),
        (b"Content-Length : 7\r\n" + LENGTH, LENGTH),
        (b"X: y :z\r\n", b"X: y :z\r\n"),
    ],
)
def test_one_length(fields: bytes, settles_to: bytes) -> None:
    assert settled(OK + fields + b"\r\n") == OK + settles_to + b"\r\n"


@pytest.mark.parametrize(
    ("version", "settles_to"),
    [
        (b"HTTP/1.2", b"HTTP/1.1"),
        (b"HTTP/1.9", b"HTTP/1.1"),
        (b"HTTP/1.0", b"HTTP/1.0"),
        (b"HTTP/2.0", b"HTTP/2.0"),
    ],
)
def test_later_versions_of_http_1_are_read_as_the_one_that_is_known(
    version: bytes, settles_to: bytes
) -> None:
    status = b" 200 It is: fine\r\n\r\n"
    assert settled(version + status) == settles_to + status


@pytest.mark.parametrize(
    "fields", [LENGTH + b"Content-Length: 8\r\n", b"Content-Length: 7, 8\r\n", b"Content-Length: 7,\r\n"]
)
def test_lengths_that_differ_are_refused(fields: bytes) -> None:
    with pytest.raises(HeadRefused, match="differ"):
        settled(OK + fields + b"\r\n")


@pytest.mark.parametrize("step", [1, 3, 1000])
@pytest.mark.parametrize(
    ("answer", "parsed"),
    [
        (OK + LENGTH + b"\r\n" + b"a\n\nb\r\n\r\n", OK + LENGTH + b"\r\n" + b"a\n\nb\r\n\r\n"),
        (
            b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" + OK + LENGTH + LENGTH + b"\r\n" + LENGTH + LENGTH,
            b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" + OK + LENGTH + b"\r\n" + LENGTH + LENGTH,
        ),
        (b"HTTP/1.1 200 OK\n" + CHUNKED + LENGTH + b"\nbody", b"HTTP/1.1 200 OK\n" + CHUNKED + b"\nbody"),
        (b"\x16\x03\x01 no HTTP", b"\x16\x03\x01 no HTTP"),
        (OK + b"X: y", b""),
    ],
)
def test_pieces_of_any_size(answer: bytes, parsed: bytes, step: int) -> None:
    head = Head()
    parts = [head.feed(answer[at : at + step]) for at in range(0, len(answer), step)]
    assert b"".join(chain(*parts)) == parsed
    if answer.startswith(b"HTTP") and head.is_over:
        heads = b"".join(before for before, _ in parts)
        assert parsed.startswith(heads) and heads.endswith((b"\n\n", b"\r\n\r\n"))


@pytest.mark.parametrize("step", [1000, 1 << 20])
def test_what_a_head_may_be(step: int) -> None:
    def feed(answer: bytes) -> bytes:
        head = Head()
        return b"".join(chain(*(head.feed(answer[at : at + step]) for at in range(0, len(answer), step))))

    long = OK + b"X: " + b"x" * (MOST_BYTES - len(OK) - 7) + b"\r\n\r\n"
    assert len(long) == MOST_BYTES and feed(long) == long
    many = OK + b"X: y\r\n" * MOST_FIELDS + b"\r\n"
    assert feed(many) == many
    for longer in (long.replace(b"X: ", b"X: x"), long[:-1] + b"x\r\n", OK + b"x" * MOST_BYTES):
        with pytest.raises(HeadRefused, match="64 KiB"):
            feed(longer)
    with pytest.raises(HeadRefused, match="500 fields"):
        feed(many.replace(OK, OK + b"X: y\r\n"))
    with pytest.raises(HeadRefused):
        feed(b"HTTP/1.1 100 Continue\r\n\r\n" * MOST_BYTES)


@pytest.mark.parametrize("word", [b"chunked", b" gzip,Chunked", b" gzip, chunked\t", b"\r\n chunked"])
def test_chunked_wins(word: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding:%b\r\nContent-Length: 3\r\n\r\n" % word
    assert settled(head) == head.replace(b"Content-Length: 3\r\n", b"")


def test_a_word_that_ends_in_chunked_is_another_one() -> None:
    """Without its length a body that breaks off would be taken for a whole one."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\n"
    assert settled(head) == head
