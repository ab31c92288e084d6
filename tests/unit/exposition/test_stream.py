"""Envoy's body in pieces: the answer is that of the whole, however it arrives."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshmeter.exposition.formats import Format
from meshmeter.exposition.kernel import PYTHON, Kernel
from meshmeter.exposition.merge import EOF, Options, Source
from meshmeter.exposition.stream import EnvoyStream, family_names
from support.kernels import FASTEST, merge

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
KERNELS = (PYTHON,) if FASTEST is PYTHON else (PYTHON, FASTEST)
TEXT, OPENMETRICS = Options(Format.TEXT), Options(Format.OPENMETRICS_1)


def through(stream: EnvoyStream, pieces: Sequence[bytes], at_once: int = 1) -> bytes:
    """What is answered for a body in these pieces."""
    parts = [part for n in range(0, len(pieces), at_once) for part in stream.feed(*pieces[n : n + at_once])]
    return b"".join((*parts, *stream.end()))


def sliced(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


def cut(body: bytes, places: Sequence[int]) -> list[bytes]:
    ends = sorted({place % (len(body) + 1) for place in places} | {len(body)})
    return [body[a:b] for a, b in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
@pytest.mark.parametrize("options", [TEXT, OPENMETRICS], ids=["text", "OpenMetrics"])
@given(places=st.lists(st.integers(0, len(WHOLE)), max_size=12), at_once=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_pieces_make_no_difference(options: Options, kernel: Kernel, places: list[int], at_once: int) -> None:
    stream = EnvoyStream(kernel, options)
    answer = through(stream, cut(WHOLE, places), at_once)
    whole = merge([Source("envoy", WHOLE, envoy=True)], options)
    assert answer == whole.body.removesuffix(EOF)
    assert (stream.stats().samples, stream.stats().dropped) == (
        whole.sources[0].samples,
        whole.sources[0].dropped,
    )
    assert [p.reason for p in stream.stats().problems] == [p.reason for p in whole.sources[0].problems]
    assert (stream.received, stream.written) == (len(WHOLE), len(answer))


def test_only_what_is_whole_leaves_early() -> None:
    stream = EnvoyStream(FASTEST, TEXT)
    assert not stream.feed(FAMILIES[0])  # more of it may come
    assert not stream.feed(FAMILIES[0][-3:] + FAMILIES[1][:12])  # is it the first line of a head?
    (answer,) = stream.feed(FAMILIES[1][12:] + FAMILIES[3][:20])
    assert answer.startswith(b"# TYPE envoy_cluster_upstream_rq counter\n")
    assert b"# TYPE envoy_cluster_upstream_rq_total counter\n" in answer and b"envoy_a" not in answer
    assert not stream.feed(FAMILIES[3][20:])
    assert stream.end()[0].startswith(b"# TYPE envoy_a gauge\n")


def test_a_comment_stays_with_the_family_that_follows() -> None:
    stream = EnvoyStream(FASTEST, TEXT)
    assert b"HELP" not in b"".join(stream.feed(FAMILIES[0] + FAMILIES[1] + FAMILIES[2]))
    assert list(stream.end()) == [FAMILIES[2]]


def test_a_missing_last_newline() -> None:
    stream = EnvoyStream(FASTEST, TEXT)
    assert through(stream, [FAMILIES[0][:-1]]).endswith(b" 3\n")


def test_families_of_others_are_kept_for_the_end() -> None:
    custom = b"# TYPE wasm_things counter\nwasm_things 1\n"
    stream = EnvoyStream(FASTEST, TEXT)
    answer = through(stream, [FAMILIES[0] + custom + FAMILIES[2]])
    assert b"wasm" not in answer and b"envoy_server_live 1" in answer
    assert stream.kept == custom


@pytest.mark.parametrize("size", [1, 30, 10_000])
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
def test_a_second_family_of_a_name_is_dropped_and_counted(first: bytes, second: bytes, size: int) -> None:
    stream = EnvoyStream(FASTEST, TEXT)
    answer = through(stream, sliced(first + FAMILIES[2] + second, size))
    assert answer.count(b"# TYPE") == 2
    assert stream.stats().dropped["type_conflict"] == 2
    assert stream.stats().problems[-1].reason == "type_conflict"


COUNTER = b"# TYPE envoy_x_total counter\nenvoy_x_total 5\n"
GAUGE = b"# TYPE envoy_x gauge\nenvoy_x 1\n"


@pytest.mark.parametrize("size", [1, 30, 10_000])
def test_openmetrics_a_counter_gives_way_to_a_name_that_was_there_before(size: int) -> None:
    stream = EnvoyStream(FASTEST, OPENMETRICS)
    answer = through(stream, sliced(GAUGE + COUNTER, size))
    assert answer == b"# TYPE envoy_x gauge\nenvoy_x 1\n# TYPE envoy_x_total unknown\nenvoy_x_total 5\n"


@pytest.mark.parametrize("size", [1, 30, 10_000])
def test_openmetrics_a_counter_gives_way_to_a_name_that_is_expected(size: int) -> None:
    first = EnvoyStream(FASTEST, OPENMETRICS)
    assert b"envoy_x 1" not in through(first, sliced(COUNTER + GAUGE, size))
    assert first.stats().dropped == {"type_conflict": 1}
    second = EnvoyStream(FASTEST, OPENMETRICS, expected=frozenset({b"envoy_x"}))
    assert b"# TYPE envoy_x_total unknown" in (answer := through(second, sliced(COUNTER + GAUGE, size)))
    assert b"envoy_x 1\n" in answer and second.stats().dropped == {}


def test_text_has_both() -> None:
    answer = through(EnvoyStream(FASTEST, TEXT), [COUNTER + GAUGE])
    assert b"envoy_x_total 5" in answer and b"envoy_x 1" in answer


def test_names_of_the_families_for_the_next_time() -> None:
    stream = EnvoyStream(FASTEST, OPENMETRICS)
    through(stream, [FAMILIES[4] + GAUGE])
    assert stream.names() == {b"envoy_ms", b"envoy_x"}


def test_names_of_a_whole_body() -> None:
    for kernel in KERNELS:
        assert family_names(FAMILIES[4] + GAUGE, kernel) == {b"envoy_ms", b"envoy_x"}
        assert family_names(b"", kernel) == family_names(b"envoy_a 1\n", kernel) == frozenset()


def test_the_whole_answer_has_one_limit() -> None:
    stream = EnvoyStream(PYTHON, Options(Format.TEXT, total_bytes=150))
    answer = through(stream, [WHOLE])
    assert len(answer) <= 150 and answer.startswith(b"# TYPE envoy_cluster_upstream_rq counter\n")
    assert stream.stats().dropped["total_limit"] > 0


def test_an_empty_body() -> None:
    stream = EnvoyStream(FASTEST, TEXT)
    assert through(stream, []) == b"" and stream.stats().samples == 0
