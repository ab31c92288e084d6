"""cluster-merge: what becomes of Envoy's metrics."""

from __future__ import annotations

import re

from contract.conformance import Case, vectors
from contract.deviations import d18_without_quantiles
from meshmeter.exposition.clusters import split_base
from meshmeter.exposition.formats import Format
from meshmeter.exposition.merge import MergeResult, Options, Source
from support.exposition import accepted_by_promtool, metadata, samples
from support.kernels import merge


def merged(text: str, format: Format = Format.TEXT) -> MergeResult:
    return merge([Source("envoy", text.encode(), envoy=True)], Options(format))


@vectors("cluster-merge", "merge")
def test_merge(case: Case) -> None:
    expected, result = case.text("expected"), merged(case.text("input"))
    got = result.body.decode()
    if "summary" in case.text("input"):
        dropped = expected.count('quantile="')
        expected = d18_without_quantiles(expected)
        assert result.sources[0].dropped["summary_quantile"] > dropped > 0
    else:
        assert result.sources[0].dropped == {}

    assert samples(got) == samples(expected)
    assert metadata(got) == metadata(expected)
    assert accepted_by_promtool(result.body) == ""


@vectors("cluster-merge", "merge")
def test_labels_stay_in_order(case: Case) -> None:
    """The added label comes behind those of Envoy, `le` comes last."""
    expected = {_names(line) for line in case.text("expected").splitlines()}
    got = {_names(line) for line in merged(case.text("input")).body.decode().splitlines()}
    assert {shape for shape in got if "quantile" not in shape} <= expected


@vectors("cluster-merge", "merge")
def test_merged_clusters_are_sound_openmetrics(case: Case) -> None:
    text, openmetrics = (merged(case.text("input"), f) for f in (Format.TEXT, Format.OPENMETRICS_1))
    assert samples(openmetrics.body.decode(), openmetrics=True) == samples(text.body.decode())


@vectors("cluster-merge", "mergeable-name")
def test_names(case: Case) -> None:
    base = split_base(case.data["clusterName"].encode())
    assert (base is not None) == case.data["mergeable"]
    assert (base or b"").decode() == case.data["base"]


@vectors("cluster-merge", "parse-and-print")
def test_input_is_accepted(case: Case) -> None:
    result = merged(case.text("input"))
    assert result.sources[0].dropped == {}
    assert result.sources[0].samples > 0
    assert accepted_by_promtool(result.body) == ""


def _names(line: str) -> tuple[str, ...]:
    name, _, rest = line.partition("{")
    return (name if rest else "", *re.findall(r'([a-z_0-9A-Z]+)="', rest))
