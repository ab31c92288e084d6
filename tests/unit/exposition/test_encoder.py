"""Writing one family (both formats through the kernel are in test_merge_python)."""

from __future__ import annotations

from meshmeter.exposition import encoder
from meshmeter.exposition.encoder import Head
from meshmeter.exposition.families import Role, Type
from meshmeter.exposition.samples import Metric, Samples
from meshmeter.exposition.series import LabelSet

NONE = LabelSet(b"")


def test_help_is_escaped_as_the_format_wants() -> None:
    head, samples = Head(b"a", Type.GAUGE, b'x "y"\\\n'), Samples({NONE: b"1"})
    assert b"".join(encoder.text(head, samples)) == b'# HELP a x "y"\\\\\\n\n# TYPE a gauge\na 1\n'
    assert b"".join(encoder.openmetrics(head, samples, typed=True)).startswith(b'# HELP a x \\"y\\"\\\\\\n\n')


def test_buckets_are_in_order() -> None:
    metric = Metric({2.0: (b"2", b"5"), 1.0: (b"1", b"4")}, {Role.COUNT: b"5", Role.SUM: b"3"})
    written = encoder.text(Head(b"h", Type.HISTOGRAM), Samples(metrics={NONE: metric}))
    assert b"".join(written) == (
        b'# TYPE h histogram\nh_bucket{le="1"} 4\nh_bucket{le="2"} 5\nh_sum 3\nh_count 5\n'
    )


def test_exemplars_go_with_the_type() -> None:
    metric = Metric({1.0: (b"1", b"4 # {} 1")})
    written = encoder.openmetrics(Head(b"h", Type.HISTOGRAM), Samples(metrics={NONE: metric}), typed=False)
    assert b"".join(written) == b'# TYPE h_bucket unknown\nh_bucket{le="1"} 4\n'


def test_states_of_one_metric_are_beside_each_other() -> None:
    values = {
        LabelSet(b'm="%b",x="%b"' % (state, x)): b"0"
        for state, x in ((b"a", b"1"), (b"a", b"2"), (b"b", b"1"))
    }
    written = b"".join(encoder.openmetrics(Head(b"m", Type.STATESET), Samples(values), typed=True))
    assert [line[-5:-3] for line in written.splitlines()[1:]] == [b'1"', b'1"', b'2"']
