"""Prometheus's own parsers as a judge: they refuse what Prometheus refuses, and say what it stores."""

from __future__ import annotations

from collections import Counter

import pytest

from meshmeter.exposition.formats import Format
from support import require
from support.judge import objections

TEXT, OPENMETRICS = Format.TEXT, Format.OPENMETRICS_1


@pytest.mark.parametrize(
    ("body", "format", "said"),
    [
        (b"a 1 -1\n", TEXT, "textparse: expected timestamp"),
        (b"a 1\na 1\n", TEXT, "textparse: a series twice"),
        (b"# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# TYPE a gauge\na{x=''} 1\n", TEXT, "prometheus_client"),
        (
            b'# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# TYPE a gauge\na{x="1"} 1\n',
            TEXT,
            "a second TYPE line",
        ),
        (b'a{x="1",x="2"} 1\n', TEXT, "Invalid labels"),
        (b'{"a.b"} 1\n', TEXT, "invalid metric name"),
        (b'# TYPE h histogram\nh_bucket{le="x"} 1\n', TEXT, "expfmt"),
        (b"# TYPE a gauge\na 1\n", OPENMETRICS, "prometheus_client"),
    ],
)
def test_what_is_refused(body: bytes, format: Format, said: str) -> None:
    require.prometheus_parsers()
    assert said in objections(body, format)


@pytest.mark.parametrize("label", ["__", "__a"])
def test_labels_that_begin_with_underscores_are_no_fault(label: str) -> None:
    found = require.prometheus_parsers().verdict(
        b'a{b="1",%b="2"} 1\n' % label.encode(), TEXT.value, samples=True
    )
    assert (found.error, found.samples.total()) == ("", 1)
    assert objections(b'a{b="1",%b="2"} 1\n' % label.encode(), TEXT) == ""


def test_what_is_stored() -> None:
    found = require.prometheus_parsers().verdict(
        b'# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n'
        b'# TYPE g gauge\ng{x=""} 3 7000\n',
        TEXT.value,
        samples=True,
    )
    assert (found.error, found.native, found.types) == ("", 1, {"h": "histogram", "g": "gauge"})
    assert found.samples == Counter(
        {
            ('{__name__="h_bucket", le="1.0"}', "3ff0000000000000", None): 1,
            ('{__name__="h_bucket", le="+Inf"}', "4000000000000000", None): 1,
            ('{__name__="h_sum"}', "4008000000000000", None): 1,
            ('{__name__="h_count"}', "4000000000000000", None): 1,
            ('{__name__="g"}', "4008000000000000", 7000): 1,
        }
    )
