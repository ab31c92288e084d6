"""What one request of a scraper means."""

from __future__ import annotations

import pytest

from meshmeter.scrape.config import ScrapeConfig, SourceConfig
from meshmeter.scrape.plan import Request, deadline, envoy_targets, merge_deadline, plan


def config(**more: object) -> ScrapeConfig:
    return ScrapeConfig("1", "default", "web-1", True, **more)  # type: ignore[arg-type]  # fields of a test


STATS = "/stats/prometheus?"


@pytest.mark.parametrize(
    ("query", "configured", "targets"),
    [
        ("", {}, ["text_readouts="]),
        ("usedonly", {}, ["text_readouts=&usedonly="]),
        ("usedonly=false", {}, ["text_readouts="]),
        ("usedonly=false", {"used_only": True}, ["text_readouts=&usedonly="]),
        ("histogram_buckets=summary&x=a%20b", {}, ["histogram_buckets=summary&text_readouts=&x=a%20b"]),
        ("filter=a+b%2Bc%FF/%7E", {}, ["filter=a%20b%2Bc%FF%2F~&text_readouts="]),
        ("", {"filter_regex": "o b|a+\\\\ü"}, ["filter=o%20b%7Ca%2B%5C%5C%C3%BC&text_readouts="]),
        ("format=json&text_readouts=no", {}, ["text_readouts="]),
        ("filter=a.*%26b", {}, ["filter=a.%2A%26b&text_readouts="]),
        ("", {"filter_regex": "^cluster"}, ["filter=%5Ecluster&text_readouts="]),
        ("filter=x", {"filter_regex": "x"}, ["filter=x&text_readouts="]),
        ("filter=x&filter=y", {"filter_regex": "z"}, ["filter=z&text_readouts=", "filter=x&text_readouts="]),
        (
            "filter=x&invert_filter",
            {"filter_regex": "x", "used_only": True},
            ["filter=x&text_readouts=&usedonly=", "filter=x&invert_filter=&text_readouts=&usedonly="],
        ),
        ("invert_filter", {}, ["text_readouts="]),
        ("filter=", {}, ["text_readouts="]),
    ],
)
def test_query_to_envoy(query: str, configured: dict[str, object], targets: list[str]) -> None:
    assert envoy_targets(query, config(**configured)) == tuple(STATS + target for target in targets)


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        (None, 9.0),
        ("10", 9.0),
        ("1", 0.5),
        ("0.4", 0.2),
        ("60", 54.0),
        ("15.5", 13.95),
        ("1e9", 72.0),
        ("soon", 9.0),
        ("-1", 9.0),
        ("0", 9.0),
        ("nan", 9.0),
        ("inf", 9.0),
        ("", 9.0),
    ],
)
def test_deadline(timeout: str | None, seconds: float) -> None:
    assert deadline(timeout) == pytest.approx(seconds)


@pytest.mark.parametrize(("timeout", "seconds"), [(None, 9.5), ("1", 0.75), ("60", 57.0), ("soon", 9.5)])
def test_half_of_the_reserve_is_for_merging(timeout: str | None, seconds: float) -> None:
    assert merge_deadline(timeout) == pytest.approx(seconds)
    assert plan(Request(timeout=timeout), config()).merge_deadline == pytest.approx(seconds)


def test_applications() -> None:
    made = plan(
        Request("filter=x"),
        config(
            sources=(
                SourceConfig("app", "127.0.0.1", 80, "/a b?c"),
                SourceConfig("app", "::1", 81, "/metrics"),
                SourceConfig("envoy", "localhost", 82, "metrics"),
                SourceConfig("", "10.0.0.1", 83, "/%41"),
            )
        ),
    )
    assert made.names == ("envoy", "app", "app-2", "envoy-2", "10.0.0.1:83")
    assert [application.url for application in made.applications] == [
        "http://127.0.0.1:80/a%20b%3Fc",
        "http://[::1]:81/metrics",
        "http://localhost:82/metrics",
        "http://10.0.0.1:83/%41",
    ]


OPENMETRICS = (
    "application/openmetrics-text;version=1.0.0{},application/openmetrics-text;version=0.0.1;q=0.75,"
)
TEXT_1 = "text/plain;version=1.0.0;escaping={};q=0.6,"
REST = "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


@pytest.mark.parametrize(
    ("accept", "asked"),
    [
        (None, REST),
        ("text/plain", REST),
        ("x-secret/y", REST),
        ("application/openmetrics-text", OPENMETRICS.format("") + REST),
        ("application/openmetrics-text;q=0.1,text/plain", REST),
        ("application/openmetrics-text;q=0", REST),
        ("text/plain;version=1.0.0;escaping=dots", TEXT_1.format("dots") + REST),
        ("text/plain;version=1.0.0;escaping=rot13", REST),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,"
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
            "application/openmetrics-text;version=0.0.1;q=0.5,"
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            OPENMETRICS.format(";escaping=allow-utf-8") + TEXT_1.format("allow-utf-8") + REST,
        ),
    ],
)
def test_applications_are_asked_for_what_the_scraper_gets(accept: str | None, asked: str) -> None:
    assert plan(Request(accept=accept), config()).application_accept == asked


def test_equal_requests_have_equal_plans() -> None:
    request = Request("filter=x", "text/plain", "10")
    assert plan(request, config()) == plan(request, config())
    assert hash(plan(request, config())) == hash(plan(request, config()))
    assert plan(request, config()) != plan(Request("filter=y", "text/plain", "10"), config())
    assert plan(request, config()) != plan(request, config(used_only=True))


def test_the_agents_own_metrics_are_asked_for_by_the_configuration_only() -> None:
    assert plan(Request(), config(agent_metrics=True)).agent_metrics
    assert not plan(Request("agentMetrics=true"), config()).agent_metrics
