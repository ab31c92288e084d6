"""Results to one answer."""

from __future__ import annotations

from dataclasses import replace

from meshmeter.exposition.formats import Format
from meshmeter.exposition.kernel import PYTHON
from meshmeter.exposition.merge import Options
from meshmeter.exposition.merge_python import begin
from meshmeter.scrape.config import ScrapeConfig, SourceConfig, SourceOptions
from meshmeter.scrape.gather import finish, gather, limits_of
from meshmeter.scrape.plan import FetchLimits, Request, ScrapePlan, plan
from meshmeter.scrape.results import FetchError, FetchResult
from support import require
from support.exposition import accepted_by_promtool, samples

ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
ENVOY = FetchResult("envoy", 0.5, b"# TYPE envoy_a counter\nenvoy_a{} 1\n", "text/plain; charset=UTF-8")
APP = FetchResult("app", 0.25, b"# TYPE b counter\nb_total 2\n# EOF\n", OPENMETRICS)


def scrape(accept: str | None = None, **more: object) -> ScrapePlan:
    sources = (SourceConfig("app", "127.0.0.1", 80, "/metrics"),)
    config = ScrapeConfig("1", "default", "web-1", True, sources, **more)  # type: ignore[arg-type]  # test fields
    return plan(Request(accept=accept), config)


def test_everything_is_there() -> None:
    response, reports = gather(scrape(), [ENVOY, APP])
    assert (response.status, response.content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert accepted_by_promtool(response.body) == ""
    assert samples(response.body.decode()) == {
        ("envoy_a", (), 1.0): 1,
        ("b_total", (), 2.0): 1,
        ("meshmeter_source_up", (("source", "envoy"),), 1.0): 1,
        ("meshmeter_source_up", (("source", "app"),), 1.0): 1,
        ("meshmeter_source_scrape_duration_seconds", (("source", "envoy"),), 0.5): 1,
        ("meshmeter_source_scrape_duration_seconds", (("source", "app"),), 0.25): 1,
        ("meshmeter_source_samples", (("source", "envoy"),), 1.0): 1,
        ("meshmeter_source_samples", (("source", "app"),), 1.0): 1,
        ("meshmeter_source_body_bytes", (("source", "envoy"),), float(len(ENVOY.body))): 1,
        ("meshmeter_source_body_bytes", (("source", "app"),), float(len(APP.body))): 1,
    }
    assert [report.up for report in reports] == [True, True]


def test_every_kernel_gives_the_same_answer() -> None:
    for accept in (None, ACCEPT):
        native = require.native_kernel()
        assert gather(scrape(accept), [ENVOY, APP], native) == gather(scrape(accept), [ENVOY, APP], PYTHON)


def test_openmetrics_only_if_an_application_speaks_it() -> None:
    spoken, _ = gather(scrape(ACCEPT), [ENVOY, APP])
    assert spoken.content_type == OPENMETRICS
    assert samples(spoken.body.decode(), openmetrics=True)[("b_total", (), 2.0)] == 1
    text, _ = gather(scrape(ACCEPT), [ENVOY, FetchResult("app", 1.0, b"b 1\n", "text/plain")])
    assert text.content_type.startswith("text/plain")


def test_a_failure_is_told_and_counted() -> None:
    failed = FetchResult("app", 9.0, error=FetchError.TIMEOUT, detail="no complete answer within 9 s")
    response, (_, report) = gather(scrape(), [ENVOY, failed])
    text = response.body.decode()
    assert response.status == 200
    assert 'meshmeter_source_up{source="app"} 0\n' in text
    assert 'meshmeter_source_error{source="app",reason="timeout"} 1\n' in text
    assert (report.up, report.error) == (False, "timeout")


def test_503_only_if_nothing_is_left() -> None:
    response, _ = gather(
        scrape(),
        [
            FetchResult("envoy", 1.0, error=FetchError.CONNECT, detail="refused"),
            FetchResult("app", 1.0, error=FetchError.STATUS, detail="HTTP status 500"),
        ],
    )
    assert response.status == 503
    assert response.body.decode().splitlines()[1:] == [
        "envoy: connect: refused",
        "app: status: HTTP status 500",
    ]


def test_what_is_dropped_is_counted() -> None:
    bad = FetchResult("app", 1.0, b"b 1\nbad \x1b[2J\nenvoy_x 1\n!\n", "text/plain")
    response, (_, report) = gather(scrape(), [ENVOY, bad])
    text = response.body.decode()
    assert 'meshmeter_source_dropped_samples{source="app",reason="malformed_line"} 2\n' in text
    assert 'meshmeter_source_dropped_samples{source="app",reason="reserved_name"} 1\n' in text
    assert report.to_json()["problems"] == [
        {"reason": "malformed_line", "line": 2, "text": r"bad \x1b[2J"},
        {"reason": "reserved_name", "line": 0, "text": "envoy_x"},
    ]


def test_what_samples_lost_is_counted_beside_what_is_dropped() -> None:
    zero_time = FetchResult("app", 1.0, b"b 1 -62135596800000\n", "text/plain")
    response, (_, report) = gather(scrape(), [ENVOY, zero_time])
    text = response.body.decode()
    assert "\nb 1\n" in text and 'meshmeter_source_samples{source="app"} 1\n' in text
    assert 'meshmeter_source_lost_details{source="app",reason="timestamp"} 1\n' in text
    assert "meshmeter_source_dropped_samples" not in text
    assert (report.dropped, report.lost, report.up) == ({}, {"timestamp": 1}, True)


def test_a_body_without_metrics_is_a_failure_but_an_empty_one_is_not() -> None:
    page = FetchResult("app", 1.0, b"<html>\n", "text/html")
    assert gather(scrape(), [ENVOY, page])[1][1].error == "format"
    assert gather(scrape(), [ENVOY, FetchResult("app", 1.0, b"", None)])[1][1].up


def test_a_source_of_which_nothing_could_be_merged_in_time_is_down() -> None:
    now = [0.0]
    merging = begin(Options(Format.TEXT, seconds=1), clock=lambda: now[0])
    sent = b"".join(merging.feed(ENVOY.body + b"# TYPE envoy_b gauge\n"))
    now[0] = 1.0
    pieces, (envoy, app) = finish(scrape(), Format.TEXT, merging, ENVOY, 99, [APP])
    text = (sent + b"".join(pieces)).decode()
    assert samples(text)[("envoy_a", (), 1.0)] == 1 and "b_total" not in text
    assert 'meshmeter_source_error{source="app",reason="timeout"} 1\n' in text
    assert 'meshmeter_source_dropped_samples{source="app",reason="deadline"} 1\n' in text
    assert (envoy.up, envoy.body_bytes) == (True, 99)
    assert (app.up, app.error, app.detail) == (
        False,
        "timeout",
        "its answer was read, but no time was left to merge any of it",
    )


def test_no_time_to_merge_anything_is_no_answer() -> None:
    for kernel in (PYTHON, require.native_kernel()):
        response, _ = gather(scrape(), [ENVOY, APP], kernel, seconds=0)
        assert response.status == 503 and b"app: timeout: its answer was read" in response.body


def test_the_same_answer_streamed_and_collected() -> None:
    for kernel in (PYTHON, require.native_kernel()):
        for accept in (None, ACCEPT):
            collected, reports = gather(scrape(accept), [ENVOY, APP], kernel)
            format = next(format for format in Format if format.value == collected.content_type)
            merging = kernel.begin(Options(format))
            sent = [part for n in range(len(ENVOY.body)) for part in merging.feed(ENVOY.body[n : n + 1])]
            rest, streamed = finish(scrape(accept), format, merging, ENVOY, len(ENVOY.body), [APP], kernel)
            assert (b"".join((*sent, *rest)), streamed) == (collected.body, reports)


def test_charsets() -> None:
    latin = FetchResult("app", 1.0, b'b{x="\xfc"} 1\n', "text/plain; charset=iso-8859-1")
    assert 'b{x="ü"} 1\n'.encode() in gather(scrape(), [ENVOY, latin])[0].body
    tight = replace(scrape(), limits=FetchLimits(body_bytes=len(latin.body)))
    (_, report) = gather(tight, [ENVOY, latin])[1]
    assert (report.error, report.detail) == ("too_large", "the body is longer than 11 bytes in UTF-8")
    for name, told in (("punycode", "'punycode': only UTF-8"), ("utf-16", "not in the charset 'utf-16'")):
        (_, report) = gather(scrape(), [ENVOY, replace(latin, content_type=f"text/plain; charset={name}")])[1]
        assert report.error == "decode" and told in report.detail
    unknown = FetchResult("app", 1.0, b"b 1\n", "text/plain; charset=klingon")
    assert gather(scrape(), [ENVOY, unknown])[1][1].error == "decode"


def test_two_answers_of_envoy_are_intersected() -> None:
    both = FetchResult("envoy", 1.0, b"envoy_a 1\nenvoy_b 2\n", None, restrict_to=b"envoy_b 3\nenvoy_c 4\n")
    body = gather(scrape(), [both, APP])[0].body
    assert b"envoy_b 2\n" in body and b"envoy_a" not in body and b"envoy_c" not in body


def test_application_label() -> None:
    body = gather(scrape(application_label="entry"), [ENVOY, APP])[0].body
    assert b'b_total{entry="app"} 2\n' in body and b"envoy_a 1\n" in body


def test_the_agents_own_metrics_are_no_source_and_nobody_elses() -> None:
    own = b"# HELP meshmeter_agent_x X.\n# TYPE meshmeter_agent_x counter\nmeshmeter_agent_x_total 7\n"
    impostor = FetchResult("app", 1.0, b"meshmeter_agent_x_total 8\nb 1\n", None)
    response, reports = gather(scrape(), [ENVOY, impostor], agent=own)
    assert accepted_by_promtool(response.body) == ""
    found = samples(response.body.decode())
    assert ("meshmeter_agent_x_total", (), 7.0) in found and ("b", (), 1.0) in found
    assert [report.name for report in reports] == ["envoy", "app"]
    assert reports[1].dropped == {"reserved_name": 1}

    openmetrics = gather(scrape(ACCEPT), [ENVOY, APP], agent=own)[0].body.decode()
    assert ("meshmeter_agent_x_total", (), 7.0) in samples(openmetrics, openmetrics=True)


def test_the_agents_own_metrics_alone_are_no_answer() -> None:
    down = FetchResult("envoy", 0.1, error=FetchError.CONNECT)
    response, _ = gather(scrape(), [down, FetchResult("app", 0.1, error=FetchError.TIMEOUT)], agent=b"x 1\n")
    assert response.status == 503


def test_applications_have_a_limit_of_samples() -> None:
    assert limits_of(SourceOptions()).samples == 100_000
    assert limits_of(SourceOptions(samples=3)).samples == 3
    assert limits_of(SourceOptions(samples=0)).samples is None


def test_beyond_the_default_limit_of_samples_families_are_dropped() -> None:
    large = b"".join(b'large{x="%d"} 1\n' % n for n in range(100_000))
    response, reports = gather(scrape(), [ENVOY, FetchResult("app", 1.0, b"a 1\n" + large, "text/plain")])
    assert (reports[1].samples, reports[1].dropped) == (1, {"sample_limit": 100_000})
    assert b'meshmeter_source_dropped_samples{source="app",reason="sample_limit"} 100000' in response.body
