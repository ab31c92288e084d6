"""Envoy's body in pieces: the answer is that of the whole, however it arrives."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshmeter.exposition.formats import Format
from meshmeter.exposition.kernel import choose
from meshmeter.exposition.merge import EOF, Options, Source
from meshmeter.exposition.stream import EnvoyStream, family_names
from support.kernels import merge

FAMILIES = (
    b'# TYPE envoy_cluster_upstream_rq counter\nenvoy_cluster_upstream_rq{envoy_cluster_name="web"} 3\n',
    b'# TYPE envoy_cluster_upstream_rq_total counter\nenvoy_cluster_upstream_rq_total{envoy_cluster_name="web"} 4\n',
    b"# HELP envoy_server_live Alive.\n# TYPE envoy_server_live gauge\nenvoy_server_live 1\n",
    b'# TYPE envoy_a gauge\nenvoy_a{envoy_cluster_name="web-0123456789abcdef"} 1\n'
    b'envoy_a{envoy_cluster_name="web-fedcba9876543210"} 2\n',
    b'# TYPE envoy_ms histogram\nenvoy_ms_bucket{le="1"} 1\nenvoy_ms_bucket{le="+Inf"} 2\nenvoy_ms_sum 7\n'
    b"envoy_ms_count 2\n",
    b"# TYPE envoy_bad counter\nenvoy_bad{ 1\nenvoy_bad 2\n",
)
WHOLE = b"".join(FAMILIES)
TEXT, OPENMETRICS = Options(Format.TEXT), Options(Format.OPENMETRICS_1)


def through(stream: EnvoyStream, pieces: Sequence[bytes]) -> bytes:
    """What is answered for a body in these pieces."""
    answer = b""
    for piece in pieces:
        for segment in stream.feed(piece):
            answer += stream.merge(segment)
    return answer + stream.merge(stream.rest())


def cut(body: bytes, places: Sequence[int]) -> list[bytes]:
    ends = sorted({place % (len(body) + 1) for place in places} | {len(body)})
    return [body[a:b] for a, b in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize("options", [TEXT, OPENMETRICS], ids=["text", "OpenMetrics"])
@given(places=st.lists(st.integers(0, len(WHOLE)), max_size=12), segment=st.integers(1, 200))
@settings(max_examples=60, deadline=None)
def test_pieces_make_no_difference(options: Options, places: list[int], segment: int) -> None:
    stream = EnvoyStream(merge, options, segment=segment)
    answer = through(stream, cut(WHOLE, places))
    whole = merge([Source("envoy", WHOLE, envoy=True)], options)
    assert answer == whole.body.removesuffix(EOF)
    assert (stream.stats().samples, stream.stats().dropped) == (
        whole.sources[0].samples,
        whole.sources[0].dropped,
    )
    assert stream.stats().problems == whole.sources[0].problems
    assert (stream.received, stream.written) == (len(WHOLE), len(answer))


def test_only_what_is_whole_leaves_early() -> None:
    stream = EnvoyStream(merge, TEXT, segment=1)
    assert list(stream.feed(FAMILIES[0])) == []  # more of it may come
    assert list(stream.feed(FAMILIES[1][:10])) == [FAMILIES[0]]
    assert list(stream.feed(FAMILIES[1][10:])) == []
    assert stream.rest() == FAMILIES[1]


def test_a_comment_stays_with_the_family_that_follows() -> None:
    stream = EnvoyStream(merge, TEXT, segment=1)
    assert list(stream.feed(FAMILIES[0] + FAMILIES[2])) == [FAMILIES[0]]
    assert stream.rest() == FAMILIES[2]


def test_a_missing_last_newline() -> None:
    stream = EnvoyStream(merge, TEXT)
    assert through(stream, [FAMILIES[0][:-1]]).endswith(b" 3\n")


def test_families_of_others_are_kept_for_the_end() -> None:
    custom = b"# TYPE wasm_things counter\nwasm_things 1\n"
    stream = EnvoyStream(merge, TEXT, segment=1)
    answer = through(stream, [FAMILIES[0] + custom + FAMILIES[2]])
    assert b"wasm" not in answer and b"envoy_server_live 1" in answer
    assert stream.kept == custom


@pytest.mark.parametrize("segment", [1, 10_000])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"# TYPE envoy_a gauge\nenvoy_a 1\n", b'# TYPE envoy_a counter\nenvoy_a 2\nenvoy_a{x="1"} 2\n'),
        (
            b"# TYPE envoy_h histogram\nenvoy_h_count 1\n",
            b"# TYPE envoy_h_count gauge\nenvoy_h_count 2\nenvoy_h_count 3\n",
        ),
    ],
    ids=["the same name", "a name of its samples"],
)
def test_a_second_family_of_a_name_is_dropped_and_counted(first: bytes, second: bytes, segment: int) -> None:
    stream = EnvoyStream(merge, TEXT, segment=segment)
    answer = through(stream, [first + FAMILIES[2] + second])
    assert answer.count(b"# TYPE") == 2
    assert stream.stats().dropped["type_conflict"] == 2
    assert stream.stats().problems[-1].reason == "type_conflict"


COUNTER = b"# TYPE envoy_x_total counter\nenvoy_x_total 5\n"
GAUGE = b"# TYPE envoy_x gauge\nenvoy_x 1\n"


@pytest.mark.parametrize("segment", [1, 10_000])
def test_openmetrics_a_counter_gives_way_to_a_name_that_was_there_before(segment: int) -> None:
    stream = EnvoyStream(merge, OPENMETRICS, segment=segment)
    answer = through(stream, [GAUGE + COUNTER])
    assert answer == b"# TYPE envoy_x gauge\nenvoy_x 1\n# TYPE envoy_x_total unknown\nenvoy_x_total 5\n"


@pytest.mark.parametrize("segment", [1, 10_000])
def test_openmetrics_a_counter_gives_way_to_a_name_that_is_expected(segment: int) -> None:
    first = EnvoyStream(merge, OPENMETRICS, segment=segment)
    assert b"envoy_x 1" not in through(first, [COUNTER + GAUGE])
    assert first.stats().dropped == {"type_conflict": 1}
    second = EnvoyStream(merge, OPENMETRICS, expected=frozenset({b"envoy_x"}), segment=segment)
    assert b"# TYPE envoy_x_total unknown" in (answer := through(second, [COUNTER + GAUGE]))
    assert b"envoy_x 1\n" in answer and second.stats().dropped == {}


def test_text_has_both() -> None:
    answer = through(EnvoyStream(merge, TEXT), [COUNTER + GAUGE])
    assert b"envoy_x_total 5" in answer and b"envoy_x 1" in answer


def test_names_of_the_families_for_the_next_time() -> None:
    stream = EnvoyStream(merge, OPENMETRICS)
    through(stream, [FAMILIES[4] + GAUGE])
    assert stream.names() == {b"envoy_ms", b"envoy_x"}


def test_names_of_a_whole_body() -> None:
    assert family_names(FAMILIES[4] + GAUGE) == {b"envoy_ms", b"envoy_x"}
    assert family_names(b"") == family_names(b"envoy_a 1\n") == frozenset()


def test_the_whole_answer_has_one_limit() -> None:
    stream = EnvoyStream(choose("python").merge, Options(Format.TEXT, total_bytes=150), segment=1)
    answer = through(stream, [WHOLE])
    assert len(answer) <= 150 and answer.startswith(b"# TYPE envoy_cluster_upstream_rq counter\n")
    assert stream.stats().dropped["total_limit"] > 0


def test_an_empty_body() -> None:
    stream = EnvoyStream(merge, TEXT)
    assert through(stream, []) == b"" and stream.stats().samples == 0
