"""One line at a time."""

from __future__ import annotations

import tracemalloc

import pytest

from meshmeter.exposition.lines import Sample, escape, parse_sample, quote_label, unescape


@pytest.mark.parametrize(
    ("line", "sample"),
    [
        (b"a 1", Sample(b"a", (), b"1")),
        (b"a:b_c{} 1 -5", Sample(b"a:b_c", (), b"1", b"-5")),
        (b'\ta { x = "1" ,\ty="}," , }\t 2.5 ', Sample(b"a", ((b"x", b"1"), (b"y", b"},")), b"2.5")),
        (b'a{x="\\\\\\"\\n\\t"} 1', Sample(b"a", ((b"x", b'\\\\\\"\\n\\\\t'),), b"1")),
        (b'{"a.b"} 1', Sample(b"a.b", (), b"1")),
        (b'{"a.b","c.d"="e"} 1', Sample(b"a.b", ((b"c.d", b"e"),), b"1")),
        (b'{"a.b" "c"="e"} 1', None),
        (b'{c="e"} 1', None),
        (b"a", None),
        (b'a{x="1} 1', None),
        (b"a 1 1.5", Sample(b"a", (), b"1", b"1.5")),
        (b"a 1 -1e999", Sample(b"a", (), b"1", b"-1e999")),
        (b"a 1 1x", None),
        (b"a 1 2 3", None),
    ],
)
def test_text(line: bytes, sample: Sample | None) -> None:
    assert parse_sample(line, openmetrics=False) == sample


@pytest.mark.parametrize(
    ("line", "timestamp", "exemplar"),
    [
        (b"a 1 1.5", b"1.5", b""),
        (b'a 1 # { id = "x" } 2 3.5', b"", b'# {id="x"} 2 3.5'),
        (b"a 1 5 # {} 2", b"5", b"# {} 2"),
        (b'a 1 # {id="' + b"x" * 200 + b'"} 2', b"", b""),
    ],
)
def test_openmetrics(line: bytes, timestamp: bytes, exemplar: bytes) -> None:
    assert parse_sample(line, openmetrics=True) == Sample(b"a", (), b"1", timestamp, exemplar)


def test_an_exemplar_without_a_time_that_can_be_read() -> None:
    assert parse_sample(b"a 1 # {} 2 -3", openmetrics=True) == Sample(b"a", (), b"1", b"", b"# {} 2", True)


@pytest.mark.parametrize("rest", [b"#", b"# {}", b"# {} x", b"# {} 1 x", b'# {id="1" 1', b"# 1", b"x"])
def test_bad_exemplars(rest: bytes) -> None:
    assert parse_sample(b"a 1 " + rest, openmetrics=True) is None


def test_escapes() -> None:
    assert unescape(rb"\\ \" \n \x") == b'\\ " \n \\x'
    assert escape(b'\\ " \n') == rb"\\ \" \n"


def test_names() -> None:
    assert quote_label(b"ok") == b"ok"
    assert quote_label(b"a.b") == b'"a.b"'


@pytest.mark.parametrize("unit", [b"v", rb"\\", rb"\x"])
@pytest.mark.parametrize("end", [b'"} 1', b""])
def test_one_long_label_takes_memory_like_its_length(unit: bytes, end: bytes) -> None:
    line = b'a{x="' + unit * (200_000 // len(unit)) + end
    tracemalloc.start()
    try:
        sample = parse_sample(line, openmetrics=False)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (sample is not None) == bool(end)
    assert peak < 8 * len(line)
