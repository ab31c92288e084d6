"""Summing up metrics."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from meshmeter.exposition.families import Role, Type
from meshmeter.exposition.numbers import total
from meshmeter.exposition.samples import Metric, Samples, merge_metrics, value
from meshmeter.exposition.series import LabelSet

BOUNDS = st.sampled_from((0.5, 1.0, 2.5, 5.0, 10.0, math.inf))
NUMBERS = st.sampled_from((b"0", b"1", b"7", b"-2", b"2.5", b"1e3", b"NaN", b"1" * 18, b"1" * 19))
COUNTS = st.dictionaries(st.floats(0, 100), st.integers(0, 50), max_size=5)


def histogram(parts: dict[float, int]) -> Metric:
    edges, total = {}, 0
    for bound in sorted({*parts, float("inf")}):
        total += parts.get(bound, 1)
        edges[bound] = (repr(bound).encode(), b"%d" % total)
    return Metric(edges, {Role.SUM: b"0.5", Role.COUNT: b"%d" % total})


@given(st.lists(COUNTS, min_size=1, max_size=4))
def test_histograms_stay_histograms(parts: list[dict[float, int]]) -> None:
    metrics = [histogram(part) for part in parts]
    merged = merge_metrics(metrics, Type.HISTOGRAM)
    counts = [int(tail) for _, tail in merged.edges.values()]
    assert list(merged.edges) == sorted(merged.edges)
    assert counts == sorted(counts)
    assert counts[-1] == int(merged.parts[Role.COUNT]) == sum(int(m.parts[Role.COUNT]) for m in metrics)
    assert float(merged.parts[Role.SUM]) == 0.5 * len(metrics)


def test_the_first_of_equal_series_stays() -> None:
    one, two = LabelSet(b""), LabelSet(b'a="1"')
    samples = Samples({one: b"1"})
    assert samples.add(Samples({one: b"2", two: b"3"})) == 1
    assert samples.plain == {one: b"1", two: b"3"}
    assert samples.add(Samples(metrics={one: Metric({}, {Role.SUM: b"1", Role.COUNT: b"1"})})) == 0
    assert samples.add(Samples(metrics={one: Metric({}, {Role.SUM: b"1", Role.COUNT: b"1"})})) == 2
    assert len(samples) == 4


def test_value() -> None:
    assert value(b"1 5 # {} 2") == value(b"1") == b"1"


@given(st.lists(st.dictionaries(BOUNDS, NUMBERS, min_size=1), min_size=2, max_size=5))
def test_a_merged_bucket_is_the_sum_of_what_each_metric_has_up_to_its_bound(
    found: list[dict[float, bytes]],
) -> None:
    metrics = [Metric({bound: (b"%g" % bound, tail) for bound, tail in edges.items()}) for edges in found]
    merged = merge_metrics(metrics, Type.HISTOGRAM)
    assert list(merged.edges) == sorted({bound for edges in found for bound in edges})
    for bound, (_, tail) in merged.edges.items():
        below = [max((b for b in edges if b <= bound), default=None) for edges in found]
        assert tail == total(
            [b"0" if at is None else edges[at] for at, edges in zip(below, found, strict=True)]
        )
