"""Content-Encoding, with limits."""

from __future__ import annotations

import gzip
import zlib

import pytest

from meshmeter.agent.decoding import Decoder, DecodingError, TooLarge


def decode(encoding: str, data: bytes, *, limit: int = 100, step: int = 7) -> bytes:
    decoder = Decoder(encoding, limit)
    for at in range(0, len(data), step):
        decoder.feed(data[at : at + step])
    return decoder.finish()


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_encodings(step: int) -> None:
    text = b"hello metrics\n" * 3
    bare = zlib.compressobj(wbits=-15)
    assert decode("", text, step=step) == text
    assert decode("Identity", text, step=step) == text
    assert decode("gzip", gzip.compress(text), step=step) == text
    assert decode("gzip", gzip.compress(text) + gzip.compress(b"more"), step=step) == text + b"more"
    assert decode("gzip", gzip.compress(text) + b"\0\0\0", step=step) == text
    assert decode("deflate", zlib.compress(text), step=step) == text
    assert decode("deflate", bare.compress(text) + bare.flush(), step=step) == text
    assert decode("gzip", b"") == b""


def test_limits() -> None:
    assert decode("", b"x" * 100) == b"x" * 100
    with pytest.raises(TooLarge):
        decode("", b"x" * 101)
    assert decode("gzip", gzip.compress(b"x" * 100)) == b"x" * 100
    with pytest.raises(TooLarge):
        decode("gzip", gzip.compress(b"x" * 10_000_000), step=1 << 20)


def test_damage() -> None:
    for data in (b"nonsense", gzip.compress(b"text")[:-5], gzip.compress(b"text") + b"rest"):
        with pytest.raises(DecodingError):
            decode("gzip", data, step=1000)
    with pytest.raises(DecodingError, match="'br'"):
        Decoder("br", 1)
