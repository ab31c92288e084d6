"""exposition-aggregate: which request goes to Envoy, and how the answers become one."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from contract.conformance import Case, vectors
from contract.deviations import d15_our_query, d17_one_format, of_meshmetric
from meshmeter.exposition.formats import Format, negotiate, response_format
from meshmeter.exposition.merge import Options, Source
from meshmeter.scrape.config import ScrapeConfig
from meshmeter.scrape.plan import envoy_targets
from support.exposition import accepted_by_promtool, metadata, samples
from support.kernels import merge

CONFIG = ScrapeConfig(version="1", mesh="default", dataplane="backend-1", enabled=True)


@vectors("exposition-aggregate", "rewrite-url", unless=of_meshmetric)
def test_request_to_envoy(case: Case) -> None:
    asked = parse_qsl(urlsplit(case.data["expected"]).query, keep_blank_values=True)
    expected = d15_our_query(asked)
    (target,) = envoy_targets(urlsplit(case.data["incoming"]).query, CONFIG)
    path, _, query = target.partition("?")
    assert path == "/stats/prometheus"
    assert parse_qsl(query, keep_blank_values=True) == expected


@vectors("exposition-aggregate", "response-format")
def test_response_format(case: Case) -> None:
    assert response_format(case.data["contentType"]).value == (case.data["expected"] or "")


@vectors("exposition-aggregate", "select-content-type")
def test_content_type_of_the_answer(case: Case) -> None:
    formats = [response_format(text) for text in case.data["appFormats"]]
    chosen = negotiate(case.data["accept"], formats)
    if d17_one_format(case.data["appFormats"], []):
        assert chosen is Format.OPENMETRICS_1
    else:
        assert chosen.value == case.data["expected"]


@vectors("exposition-aggregate", "join-bodies")
def test_joined_bodies(case: Case) -> None:
    """Our answer is not the concatenation but says the same: the same samples and, unless a body had to be converted
    (D17), the same metadata."""
    bodies = [(case.folder / name).read_text() for name in case.data["bodies"]]
    format = Format.OPENMETRICS_1 if response_format(case.data["contentType"]).openmetrics else Format.TEXT
    result = merge(
        [
            Source(
                f"source-{n}",
                body.encode(),
                Format.OPENMETRICS_0 if body.rstrip().endswith("# EOF") else Format.TEXT,
                envoy="envoy_" in body,
            )
            for n, body in enumerate(bodies)
        ],
        Options(format, merge_clusters=False),
    )
    got, expected = result.body.decode(), case.text("expected")
    assert [source.dropped for source in result.sources] == [{}] * len(bodies)
    if format.openmetrics:
        assert got.endswith("\n# EOF\n") and got.count("# EOF") == 1
    else:
        assert accepted_by_promtool(result.body) == ""
    assert samples(got, openmetrics=format.openmetrics) == samples(expected)
    if not d17_one_format([], bodies):
        assert metadata(got) == metadata(expected)
