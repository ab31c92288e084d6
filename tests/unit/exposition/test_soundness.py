"""What may be written under its type in OpenMetrics."""

from __future__ import annotations

import pytest

from meshmeter.exposition.families import Role, Type
from meshmeter.exposition.samples import Metric, Samples
from meshmeter.exposition.series import LabelSet
from meshmeter.exposition.soundness import sound

NONE = LabelSet(b"")
INF = float("inf")


def metric(edges: dict[float, bytes], **parts: bytes) -> Samples:
    roles = {Role(f"_{name}"): tail for name, tail in parts.items()}
    return Samples(metrics={NONE: Metric({b: (repr(b).encode(), t) for b, t in edges.items()}, roles)})


@pytest.mark.parametrize(
    ("type", "samples", "good"),
    [
        (Type.GAUGE, Samples({NONE: b"NaN"}), True),
        (Type.COUNTER, Samples({NONE: b"1.5 7"}), True),
        (Type.COUNTER, Samples({NONE: b"-1"}), False),
        (Type.COUNTER, Samples({}, {NONE: b"5"}), False),
        (Type.COUNTER, Samples({NONE: b"1 7"}, {NONE: b"5"}), False),
        (Type.INFO, Samples({NONE: b"1.0"}), True),
        (Type.INFO, Samples({NONE: b"2"}), False),
        (Type.STATESET, Samples({LabelSet(b'x_total="on"'): b"1"}), True),
        (Type.STATESET, Samples({NONE: b"1"}), False),
        (Type.HISTOGRAM, metric({1: b"1", INF: b"2"}, sum=b"1", count=b"2"), True),
        (Type.HISTOGRAM, metric({1: b"1", INF: b"2"}), True),
        (Type.HISTOGRAM, metric({1: b"1", INF: b"2"}, count=b"2"), False),
        (Type.HISTOGRAM, metric({1: b"1.5", INF: b"2"}), False),
        (Type.HISTOGRAM, metric({1: b"1 5", INF: b"2"}), False),
        (Type.HISTOGRAM, metric({-1: b"1", INF: b"2"}, sum=b"1", count=b"2"), False),
        (Type.GAUGEHISTOGRAM, metric({-1: b"1", INF: b"2"}, gsum=b"-1", gcount=b"2"), True),
        (Type.GAUGEHISTOGRAM, metric({1: b"1", INF: b"2"}, gsum=b"-1", gcount=b"2"), False),
        (Type.SUMMARY, metric({0.5: b"NaN"}, sum=b"1", count=b"2"), True),
        (Type.SUMMARY, metric({0.5: b"-1"}), False),
        (Type.SUMMARY, metric({}, sum=b"NaN"), False),
        (Type.SUMMARY, metric({}, count=b"+Inf"), False),
    ],
)
def test_sound(type: Type, samples: Samples, good: bool) -> None:
    assert sound(b"x_total", type, samples, openmetrics=True) is good


@pytest.mark.parametrize(
    ("type", "samples", "good"),
    [
        (Type.COUNTER, Samples({NONE: b"-1"}), True),
        (Type.HISTOGRAM, metric({-1: b"1.5", INF: b"0"}, count=b"7"), True),
        (Type.HISTOGRAM, metric({1: b"1"}), False),
        (Type.HISTOGRAM, Samples({NONE: b"1"}), False),
        (Type.HISTOGRAM, Samples(loose={NONE: b"1"}), False),
        (Type.SUMMARY, metric({0.5: b"-1"}), True),
        (Type.SUMMARY, Samples({NONE: b"1"}), False),
        (Type.GAUGEHISTOGRAM, Samples({NONE: b"1"}), True),
    ],
)
def test_sound_in_text(type: Type, samples: Samples, good: bool) -> None:
    assert sound(b"x", type, samples, openmetrics=False) is good
