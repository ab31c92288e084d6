"""Content-Encoding, with limits."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys
import tracemalloc
import zlib

import pytest

from meshmeter.agent.decoding import (
    ACCEPT_ENCODING,
    MOST_MEMBERS,
    PIECE,
    TURN,
    Decoder,
    DecodingError,
    TooLarge,
)
from support import require


def decode(encoding: str, data: bytes, *, limit: int = 100, step: int = 7) -> bytes:
    async def run() -> bytes:
        decoder = Decoder(encoding, limit)
        for at in range(0, len(data), step):
            await decoder.feed(data[at : at + step])
        return decoder.finish()

    return asyncio.run(run())


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


TEXT = b"hello metrics\n" * 20_000


def compress(name: str, text: bytes) -> bytes:
    match name:
        case "br":
            return bytes(require.compression("brotli").compress(text, quality=5))
        case "zstd":
            return bytes(require.compression("zstd").compress(text))
        case "deflate":
            return zlib.compress(text)
        case "gzip":
            return gzip.compress(text)
    return text


@pytest.mark.parametrize("name", ["br", "zstd"])
@pytest.mark.parametrize("step", [1, 1000, 1 << 20])
def test_compressions_of_the_extra(name: str, step: int) -> None:
    data = compress(name, TEXT)
    assert decode(name.upper(), data, limit=len(TEXT), step=step) == TEXT
    assert decode(name, b"") == b""
    with pytest.raises(TooLarge):
        decode(name, data, limit=len(TEXT) - 1, step=step)
    for damaged in (data[:-2], data[:5] + b"\xff\xff\xff" + data[8:], b"nonsense", TEXT):
        with pytest.raises(DecodingError, match=r"cut short|is not"):
            decode(name, damaged, limit=len(TEXT), step=step)
    assert name in ACCEPT_ENCODING


def test_zstd_of_several_frames_and_with_a_window_that_is_too_large() -> None:
    zstd = require.compression("zstd")
    both = zstd.compress(b"one\n") + zstd.compress(b"two\n")
    assert decode("zstd", both) == decode("zstd", both, step=1000) == b"one\ntwo\n"
    options = {zstd.CompressionParameter.window_log: 27}
    compressor = zstd.ZstdCompressor(options=options)
    far = compressor.compress(b"x" * 1000) + compressor.flush()
    with pytest.raises(DecodingError, match="looks back too far"):
        decode("zstd", far, limit=1 << 20)


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_is_held_no_further_than_the_limit(name: str) -> None:
    bomb = compress(name, b"a 1\n" * (8 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            decode(name, bomb, limit=1 << 20, step=1 << 20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


@pytest.mark.attack("B1: one read of a compressed body comes to many MiB while other scrapes are under way")
@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
async def test_others_have_their_turns_while_one_read_is_decoded(name: str) -> None:
    bomb, turns = b"a 1\n" * (4 << 20), 0
    for word in name.split(", "):
        bomb = compress(word, bomb)
    decoder = Decoder(name, 16 << 20)
    decoding = asyncio.create_task(decoder.feed(bomb))
    while not decoding.done():
        await asyncio.sleep(0)
        turns += 1
    await decoding
    assert len(decoder.finish()) == 16 << 20
    assert turns >= (16 << 20) / PIECE / TURN / 4, "a piece may be a few times as long"


@pytest.mark.attack("B1: thousands of empty parts in one read")
async def test_others_have_their_turns_while_empty_parts_are_decoded() -> None:
    decoder, turns = Decoder("gzip", 1 << 20), 0
    decoding = asyncio.create_task(decoder.feed(gzip.compress(b"") * 5000))
    while not decoding.done():
        await asyncio.sleep(0)
        turns += 1
    await decoding
    assert turns >= 5000 / TURN and decoder.finish() == b""


@pytest.mark.parametrize(
    "words",
    ["gzip, identity", "identity,gzip", "deflate, gzip", "gzip,gzip", "gzip, none", "br, gzip", "gzip, zstd"],
)
def test_several_codings_are_undone_from_the_last_to_the_first(words: str) -> None:
    data = TEXT
    for word in words.split(","):
        data = compress(word.strip(), data)
    assert decode(words, data, limit=len(TEXT), step=1000) == TEXT


def test_what_stands_between_codings_is_bounded_too() -> None:
    nothing = (gzip.compress(b"") + b"\0" * 1000) * 2000
    with pytest.raises(TooLarge):
        decode("gzip, gzip", gzip.compress(nothing), limit=1 << 20, step=1000)
    with pytest.raises(TooLarge):
        decode("gzip", nothing, limit=1 << 20, step=1000)
    with pytest.raises(DecodingError, match="more than 3"):
        Decoder("gzip, gzip, gzip, gzip", 1)


@pytest.mark.parametrize(
    "words", ["text/plain; version=0.0.4", "none", "UTF-8", "7bit", "Identity", ",", "a, b"]
)
def test_words_that_are_no_compression_say_nothing(words: str) -> None:
    assert decode(words, TEXT, limit=len(TEXT), step=1000) == TEXT


def test_compressions_that_cannot_be_undone() -> None:
    with pytest.raises(
        DecodingError, match="'lz4', which the agent cannot read: let the application use gzip"
    ):
        Decoder("gzip, lz4", 1)
    with pytest.raises(DecodingError, match="unknown Content-Encoding 'curious', and the body is no text"):
        decode("curious", b"\x00\x01")


def test_without_the_extra_the_remedy_is_told() -> None:
    script = """if True:
        import sys
        sys.modules.update({"brotli": None, "backports": None, "compression": None})
        from meshmeter.agent.decoding import ACCEPT_ENCODING, MOST_MEMBERS, Decoder, DecodingError
        assert ACCEPT_ENCODING == "gzip, deflate"
        for name in ("br", "zstd"):
            try:
                Decoder(name, 1)
            except DecodingError as exc:
                print(exc)
    """
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert told.count("install meshmeter[compression] for the agent") == 2 and "'zstd'" in told


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_parts_are_counted_since_empty_ones_cost_time(name: str) -> None:
    """Each costs microseconds on the event loop, and millions of them fit into a few hundred bytes."""
    empty = compress(name, b"")
    assert decode(name, empty * MOST_MEMBERS, limit=1 << 20, step=1 << 20) == b""
    with pytest.raises(DecodingError, match="more than 10000 compressed parts"):
        decode(name, empty * (MOST_MEMBERS + 1), limit=1 << 20, step=1 << 20)
    with pytest.raises(DecodingError, match="more than 10000 compressed parts"):
        decode(f"{name}, gzip", gzip.compress(empty * (MOST_MEMBERS + 1)), limit=1 << 20, step=1 << 20)
