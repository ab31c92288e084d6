"""The contract of the kernels: every test runs over both, and must not see a difference.

The Python one runs with and without its shortcuts for plain text; the compiled one is compared with it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from meshmeter.exposition import merge_python
from meshmeter.exposition.formats import Format, sniff
from meshmeter.exposition.kernel import PYTHON, Kernel
from meshmeter.exposition.merge import RENEWAL, Limits, MergeResult, Options, Source
from support import require
from support.exposition import accepted_by_promtool, samples, types
from support.judge import judged
from support.odd_bodies import LONG_WAY, cases, lines
from support.pieces import cut, streamed

TEXT, OPENMETRICS = Format.TEXT, Format.OPENMETRICS_1
EXPOSITIONS = sorted((Path(__file__).parents[2] / "data" / "expositions").iterdir())


under_test: list[Kernel] = []


@pytest.fixture(scope="module", params=["python", "native"], autouse=True)
def kernel(request: pytest.FixtureRequest) -> Iterator[None]:
    kernel = PYTHON if request.param == "python" else require.native_kernel()
    under_test.append(kernel)
    yield
    under_test.remove(kernel)


def run(sources: list[Source], format: Format = TEXT, **options: object) -> MergeResult:
    wanted = Options(format, **options)  # type: ignore[arg-type]  # keyword options of a test
    (kernel,) = under_test
    result = kernel.merge(sources, wanted)
    assert result == LONG_WAY.merge(sources, wanted)
    judged(result.pieces, format)
    return result


def app(body: str, name: str = "app", format: Format = TEXT, **more: object) -> Source:
    return Source(name, body.encode(), format, **more)  # type: ignore[arg-type]  # keyword fields of a test


def envoy(body: str) -> Source:
    return Source("envoy", body.encode(), envoy=True)


def check(body: str, want: str, *, source: Format = TEXT, answer: Format = TEXT, **dropped: int) -> None:
    result = run([app(body, format=source)], answer)
    assert result.body.decode() == want
    assert result.sources[0].dropped == dropped


def accepted(body: bytes, format: Format) -> str:
    """Empty if the parsers of others read the body, else what they say."""
    if not format.openmetrics:
        return accepted_by_promtool(body)
    samples(body.decode(), openmetrics=True)  # raises what is wrong
    return ""


def test_plain_text_stays_as_it_is() -> None:
    body = (
        "# HELP a_total Some help.\n# TYPE a_total counter\n"
        'a_total{x="1"} 3\na_total{x="2",y="z"} 4.5e+06\n'
        "# TYPE h histogram\n"
        'h_bucket{le="0.5"} 1\nh_bucket{le="+Inf"} 2\nh_sum 1.5\nh_count 2\n'
        "# TYPE s summary\n"
        's{quantile="0.5"} NaN\ns_sum 0\ns_count 0\n'
        "# TYPE u untyped\nu -Inf\n"
    )
    check(body, body)


def test_what_life_does_to_text() -> None:
    check("", "")
    check("\n\n", "")
    check("a 1", "# TYPE a untyped\na 1\n")
    check("\ufeffa 1\r\nb 2\r\n", "# TYPE a untyped\na 1\n# TYPE b untyped\nb 2\n")
    check("# EOF\na 1\n# EOF\nb 2\n# EOF", "# TYPE a untyped\na 1\n# TYPE b untyped\nb 2\n")
    check(' \t a {\tx = "1" , }  2 \n', '# TYPE a untyped\na{x="1"} 2\n')
    check("a{} 1\n", "# TYPE a untyped\na 1\n")
    check("a 1 1395066363000\n", "# TYPE a untyped\na 1 1395066363000\n")
    check('a{x="\\q\\\\\\"\\n"} 1\n', '# TYPE a untyped\na{x="\\\\q\\\\\\"\\n"} 1\n')
    check(
        "a nan\nb inf\nc -Infinity\n",
        "".join(
            f"# TYPE {n} untyped\n{n} {v}\n" for n, v in zip("abc", ("NaN", "+Inf", "-Inf"), strict=True)
        ),
    )


@pytest.mark.parametrize(
    "line",
    [
        "a", "a x", "a 1 2 3", 'a{x="1" 2', 'a{x="1"y="2"} 2', 'a{x="1",x="2"} 3', "a{x=1} 2", "1a 2", "a-b 1",
        "a 1e999", "a 0x1p3", "a 1_000", 'a{__name__="b"} 1', 'a 1 # {t="1"}', "a 1 # 5", "<html>", 'a{x="1"}',
        'a{,} 1', "{} 1", "a 1.2.3", "a +nan", 'a{x="\0"} 1',
    ],
)  # fmt: skip
def test_a_bad_line_costs_only_itself(line: str) -> None:
    result = run([app(f"before 1\n{line}\nafter 2\n")])
    assert result.body == b"# TYPE before untyped\nbefore 1\n# TYPE after untyped\nafter 2\n"
    assert result.sources[0].dropped == {"malformed_line": 1}
    assert [p.line for p in result.sources[0].problems] == [2]
    assert accepted_by_promtool(result.body) == ""


def test_bytes_that_are_not_utf8_cost_their_line() -> None:
    result = run([Source("app", b'a{x="\xff"} 1\na{x="\xc3\xa9"} 2\n# HELP b \xff\nb 1\n')])
    assert result.body == '# TYPE a untyped\na{x="é"} 2\n# TYPE b untyped\nb 1\n'.encode()
    assert result.sources[0].dropped == {"malformed_line": 1}


def test_families_are_put_together() -> None:
    check(
        '# TYPE a gauge\na 1\nb 2\n# TYPE b counter\na{x="1"} 3\nh_count 1\n# TYPE h summary\nh_sum 4\n',
        '# TYPE a gauge\na 1\na{x="1"} 3\n# TYPE b counter\nb 2\n# TYPE h summary\nh_sum 4\nh_count 1\n',
    )


def test_equal_series_within_a_source() -> None:
    check(
        'a{x="1",y="2"} 1\na{y="2",x="1"} 2\na{x="1",y="2",z=""} 3\n',
        '# TYPE a untyped\na{x="1",y="2"} 1\n',
        duplicate_series=2,
    )


BARE = {
    "histogram": (
        '# TYPE h histogram\nh{le="1"} 2\nh 3\nh_sum 9\nh_bucket{le="1"} 1\nh_count 4\n',
        '# TYPE h untyped\nh{le="1"} 2\nh 3\n# TYPE h_bucket untyped\nh_bucket{le="1"} 1\n'
        "# TYPE h_sum untyped\nh_sum 9\n# TYPE h_count untyped\nh_count 4\n",
    ),
    "nothing else": ("# TYPE h histogram\nh 3\n", "# TYPE h untyped\nh 3\n"),
    "summary": (
        '# TYPE s summary\ns{gc="y"} 49\ns{quantile="2"} 1\ns{quantile="x"} 2\ns{quantile=""} 3\ns{quantile="0.5"} 4\n'
        "s_sum 5\n",
        '# TYPE s untyped\ns{gc="y"} 49\ns{quantile="2"} 1\ns{quantile="x"} 2\ns 3\ns{quantile="0.5"} 4\n'
        "# TYPE s_sum untyped\ns_sum 5\n",
    ),
    "bucket without a bound": (
        '# TYPE h histogram\nh_bucket 1\nh_bucket{le="x"} 2\nh_bucket{le="NaN"} 3\nh_bucket{le="1"} 4\n',
        '# TYPE h_bucket untyped\nh_bucket 1\nh_bucket{le="x"} 2\nh_bucket{le="NaN"} 3\nh_bucket{le="1"} 4\n',
    ),
    "bound of a sum": (
        '# TYPE h histogram\nh_sum{le="1"} 5\nh_count{le="1"} 5\nh_bucket{le="2"} 3\n',
        '# TYPE h_bucket untyped\nh_bucket{le="2"} 3\n# TYPE h_sum untyped\nh_sum{le="1"} 5\n'
        '# TYPE h_count untyped\nh_count{le="1"} 5\n',
    ),
}


@pytest.mark.parametrize("answer", [TEXT, OPENMETRICS])
@pytest.mark.parametrize("source", [TEXT, OPENMETRICS])
@pytest.mark.parametrize(("body", "want"), BARE.values(), ids=BARE)
def test_samples_that_a_type_does_not_promise_cost_it_the_type(
    body: str, want: str, source: Format, answer: Format
) -> None:
    """One TYPE a name is what other parsers take: so the family has none, and each sample name is a family."""
    if answer is OPENMETRICS:
        want = want.replace("untyped", "unknown") + "# EOF\n"
    check(body, want, source=source, answer=answer, type=1)
    lines = [line for line in body.splitlines() if not line.startswith("#")]
    assert len(lines) == len([line for line in want.splitlines() if not line.startswith("#")])


def test_bare_samples_of_another_source_cost_the_type_too() -> None:
    good = app('# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 2\nh_count 1\n', "good")
    result = run([good, app("# TYPE h histogram\nh 3\nh_count 4\n", "bare")])
    assert result.body.decode() == (
        '# TYPE h untyped\nh 3\n# TYPE h_bucket untyped\nh_bucket{le="+Inf"} 1\n'
        "# TYPE h_sum untyped\nh_sum 2\n# TYPE h_count untyped\nh_count 1\n"
    )
    assert [(source.samples, dict(source.dropped)) for source in result.sources] == [
        (3, {"type": 1}),
        (1, {"duplicate_series": 1, "type": 1}),
    ]


def test_bare_samples_of_a_gauge_histogram() -> None:
    check(
        "# TYPE q gaugehistogram\nq 1\nq_bucket 3\nq_gcount 2\n",
        "# TYPE q gauge\nq 1\n# TYPE q_bucket gauge\nq_bucket 3\n# TYPE q_gcount gauge\nq_gcount 2\n",
        source=OPENMETRICS,
    )


def test_a_bound_beside_the_bound_is_a_label_twice() -> None:
    check(
        '# TYPE h histogram\nh_bucket{le="1",le="2"} 1\nh_bucket{le="+Inf"} 3\nh_bucket{,le="4"} 1\n',
        '# TYPE h histogram\nh_bucket{le="+Inf"} 3\n',
        malformed_line=2,
    )


@pytest.mark.parametrize("source", [TEXT, OPENMETRICS])
def test_a_histogram_is_closed_by_its_count(source: Format) -> None:
    """As expfmt of Prometheus writes it."""
    body = '# TYPE h histogram\nh_bucket{a="b",le="1"} 2\nh_sum{a="b"} 5\nh_count{a="b"} 3\nh_sum 1\nh_count 4 5\n'
    want = (
        '# TYPE h histogram\nh_bucket{a="b",le="1"} 2\nh_bucket{a="b",le="+Inf"} 3\n'
        'h_sum{a="b"} 5\nh_count{a="b"} 3\n'
    )
    time = "5000" if source is OPENMETRICS else "5"
    check(body, f'{want}h_bucket{{le="+Inf"}} 4 {time}\nh_sum 1\nh_count 4 {time}\n', source=source)
    result = run([app(body.replace("h_sum 1\nh_count 4 5\n", ""), format=source)], OPENMETRICS)
    assert result.body.decode() == want + "# EOF\n"
    assert (result.sources[0].samples, result.sources[0].dropped) == (4, {})


def test_a_histogram_that_does_not_say_how_many_there_were_has_no_type() -> None:
    check(
        '# TYPE h histogram\nh_bucket{le="1"} 2\nh_sum 3\nh_bucket{a="b",le="+Inf"} 1\nh_count{c="d"} 1\n',
        '# TYPE h_bucket untyped\nh_bucket{le="1"} 2\nh_bucket{a="b",le="+Inf"} 1\n# TYPE h_sum untyped\nh_sum 3\n'
        '# TYPE h_count untyped\nh_count{c="d"} 1\n',
        type=1,
    )


def test_an_exemplar_in_text_is_forgotten() -> None:
    body = (
        '# TYPE a_total counter\na_total 1 # {id="v"} 0.5 1.5\na_total{x="y"} 2 5 #{}1\n'
        '# TYPE h histogram\nh_bucket{le="+Inf"} 1 # {id="v"} 0.5\nh_sum 1\nh_count 1\n'
    )
    want = (
        '# TYPE a_total counter\na_total 1\na_total{x="y"} 2 5\n'
        '# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n'
    )
    check(body, want)
    check(
        body, want.replace("TYPE a_total", "TYPE a").replace("2 5", "2 0.005") + "# EOF\n", answer=OPENMETRICS
    )


def test_exemplars_that_go_with_a_type_are_counted() -> None:
    """A count that raced its buckets, and negative buckets with a sum: prometheus_client refuses the whole answer for
    either, so the type goes, and what goes with it is counted."""
    for bound, count in (("1", 5), ("-1", 4)):
        body = (
            f'# TYPE h histogram\nh_bucket{{le="{bound}"}} 1 # {{id="v"}} 0.5\n'
            f'h_bucket{{le="+Inf"}} 4 # {{id="w"}} 7 8\nh_sum 1\nh_count {count}\n'
        )
        result = run([app(body, format=OPENMETRICS)], OPENMETRICS)
        assert (result.sources[0].samples, result.sources[0].dropped) == (4, {"type": 1, "exemplar": 2})
        assert b"# {" not in result.body and b"TYPE h_bucket unknown" in result.body
    twice = app("# TYPE a counter\na_total 3 # {} 4\n", "two", OPENMETRICS)
    result = run([app("# TYPE a counter\na_total -1 # {} 2\n", "one", OPENMETRICS), twice], OPENMETRICS)
    assert [source.dropped for source in result.sources] == [
        {"type": 1, "exemplar": 1},
        {"duplicate_series": 1},
    ]


def test_a_line_that_is_not_plain_does_not_respell_others() -> None:
    check('a{l="z"} 1 5\nb{x="y"} 1\n', '# TYPE a untyped\na{l="z"} 1 5\n# TYPE b untyped\nb{x="y"} 1\n')


@pytest.mark.parametrize("label", ["le", "quantile", "x"])
@pytest.mark.parametrize("format", [TEXT, OPENMETRICS])
def test_an_empty_label_is_not_written_and_spoils_no_other_series(label: str, format: Format) -> None:
    histogram = '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n'
    summary = '# TYPE s summary\ns{quantile="0.5"} 1\ns_sum 3\ns_count 2\n'
    result = run(
        [
            app(f'# TYPE m gauge\nm{{{label}=""}} 1\nm{{a="1",{label}=""}} 2\n' + histogram),
            app(summary, "two"),
        ],
        format,
    )
    assert result.body.removesuffix(b"# EOF\n").decode() == (
        '# TYPE m gauge\nm 1\nm{a="1"} 2\n' + histogram + summary
    )
    assert [source.dropped for source in result.sources] == [{}, {}]


def test_an_empty_label_is_none_for_labels_that_are_there_already() -> None:
    check('a{x="",y="1"} 1\na{y="1"} 2\n', '# TYPE a untyped\na{y="1"} 1\n', duplicate_series=1)
    check('a{x="",x="1"} 1\na{__name__=""} 2\nb 1\n', "# TYPE b untyped\nb 1\n", malformed_line=2)
    check('# HELP "a.b" x\na{"a.b"="",a_b="1"} 1\n', '# TYPE a untyped\na{a_b="1"} 1\n')


def test_the_first_source_wins() -> None:
    first = app("# TYPE a gauge\na 1\n# TYPE h summary\nh_count 1\n", "one")
    second = app("# TYPE a counter\na 2\nb 1\n# TYPE h_count gauge\nh_count 9\n", "two")
    third = app('# TYPE a gauge\na 3\na{x="1"} 4\nb 5\n', "three")
    result = run([first, second, third])
    assert result.body.decode() == (
        '# TYPE a gauge\na 1\na{x="1"} 4\n# TYPE h summary\nh_count 1\n# TYPE b untyped\nb 1\n'
    )
    assert [source.dropped for source in result.sources] == [
        {},
        {"type_conflict": 2},
        {"duplicate_series": 2},
    ]
    assert [source.samples for source in result.sources] == [2, 1, 1]


def test_names_that_applications_may_not_have() -> None:
    result = run([app("envoy_x 1\nmeshmeter_y 2\na 3\n"), envoy("envoy_x 4\n")])
    assert result.body == b"# TYPE a untyped\na 3\n# TYPE envoy_x untyped\nenvoy_x 4\n"
    assert result.sources[0].dropped == {"reserved_name": 2}


def test_application_label() -> None:
    source = app('a 1\na{x="2"} 3\nb{app="mine"} 4\n', 'fr"ont', label="app")
    result = run([source])
    assert result.body.decode() == (
        '# TYPE a untyped\na{app="fr\\"ont"} 1\na{app="fr\\"ont",x="2"} 3\n'
        '# TYPE b untyped\nb{app="fr\\"ont",exported_app="mine"} 4\n'
    )


# Limits


def test_limits_of_labels() -> None:
    limits = Limits(labels=2, label_name_bytes=3, label_value_bytes=4)
    source = app(
        'a{x="1",y="2",z="3"} 1\na{long="1"} 1\na{x="12345"} 1\na{x="1234",abc=""} 1\n', limits=limits
    )
    result = run([source])
    assert result.body == b'# TYPE a untyped\na{x="1234"} 1\n'
    assert result.sources[0].dropped == {"label_limit": 3}


@pytest.mark.parametrize("envoys", [False, True])
@pytest.mark.parametrize("filling", ["v", "\\\\\\\\"])
@pytest.mark.attack("B2: within one line nobody looks at the clock")
def test_a_line_of_more_than_a_mib_is_not_read(filling: str, envoys: bool) -> None:
    def line(name: str, length: int) -> str:
        inner = length - len(name) - len('{x=""} 1\n')
        return name + '{x="' + filling * (inner // len(filling)) + "v" * (inner % len(filling)) + '"} 1\n'

    a, b = ("envoy_a", "envoy_b") if envoys else ("a", "b")
    longest, declared = line(a, 1 << 20), f"# TYPE {a} gauge\n{a} 1\n"
    body = declared + line(a, (1 << 20) + 1) + longest + line(b, (1 << 20) + 1)
    result = run([Source("app", body.encode(), envoy=envoys, limits=Limits(label_value_bytes=None))])
    assert result.body.decode().replace(',kuma_io_mesh_traffic="true"', "") == declared + longest
    assert result.sources[0].dropped == {"label_limit": 2}
    assert [problem.line for problem in result.sources[0].problems] == [0 if envoys else 3]


def test_comments_of_more_than_a_mib_say_nothing() -> None:
    help = "# HELP a " + "x" * (1 << 20) + "\n"
    check(help + "# TYPE a gauge\na 1\n", "# TYPE a gauge\na 1\n")
    check("# TYPE a gauge" + " " * (1 << 20) + "\na 1\n", "# TYPE a untyped\na 1\n")


def test_limit_of_samples_keeps_families_whole() -> None:
    source = app('a 1\nb{x="1"} 1\nb{x="2"} 2\nc 1\n', limits=Limits(samples=2))
    result = run([source])
    assert result.body == b"# TYPE a untyped\na 1\n"
    assert result.sources[0].dropped == {"sample_limit": 3}


def test_limit_of_samples_counts_lines_that_it_does_not_read() -> None:
    source = app("a 1\na x\na 2\nb 1\nc x\n", limits=Limits(samples=2))
    result = run([source])
    assert result.body == b""
    assert result.sources[0].dropped == {"sample_limit": 5}


def test_a_source_with_a_limit_of_samples_has_one_of_families() -> None:
    body = "".join(f"f{n} 1\n" for n in range(100_003))
    stats = run([app(body, limits=Limits(samples=1))]).sources[0]
    assert (stats.samples, stats.dropped) == (1, {"sample_limit": 100_002})
    assert [problem.line for problem in stats.problems] == [100_001]


def test_a_family_of_which_openmetrics_leaves_no_name_has_no_type_there() -> None:
    body = "# TYPE _total counter\n_total 1\n"
    assert run([app(body)]).body.decode() == body
    assert run([app(body)], OPENMETRICS).body == b"# TYPE _total unknown\n_total 1\n# EOF\n"


def test_total_limit() -> None:
    result = run([app("a 1\nbcd 1\ne 1\n")], total_bytes=45)
    assert result.body == b"# TYPE a untyped\na 1\n# TYPE e untyped\ne 1\n"
    assert result.sources[0].dropped == {"total_limit": 1}
    assert result.sources[0].samples == 2


def problems(result: MergeResult, source: int = 0) -> list[tuple[str, int, str]]:
    return [(p.reason, p.line, p.text) for p in result.sources[source].problems]


def test_each_reason_has_its_first_line() -> None:
    many = "".join(f"bad{n}\n" for n in range(1000))
    body = "a 1 -5\n" + many + 'a 1\na 2\na{x="1"} 1 -5\nlong{x="12345"} 1\na 3\n'
    result = run([app(body, limits=Limits(label_value_bytes=4))])
    assert result.sources[0].dropped == {
        "malformed_line": 1000, "label_limit": 1, "duplicate_series": 3, "timestamp": 2
    }  # fmt: skip
    assert problems(result) == [
        ("malformed_line", 2, "bad0"),
        ("label_limit", 1005, 'long{x="12345"} 1'),
        ("duplicate_series", 1002, "a 1"),
        ("timestamp", 1, "a 1 -5"),
    ]


def test_the_first_line_is_the_first_of_the_body() -> None:
    result = run([app("a 1\nb 1\nb 2 x\na 2 x\n?\n\n")])
    assert problems(result) == [("malformed_line", 3, "b 2 x")]


def test_a_whole_family_is_told_by_its_name() -> None:
    first, second = "# TYPE x gauge\nx 1\ny 1\n", "envoy_a 1\nenvoy_b 1\n# TYPE x counter\nx 2\ny 2\n"
    result = run([app(first, "first"), app(second, "second")])
    assert problems(result, 0) == []
    assert problems(result, 1) == [
        ("reserved_name", 0, "envoy_a"), ("type_conflict", 0, "x"), ("duplicate_series", 0, "y")
    ]  # fmt: skip
    limited = run([app("a 1\nb 1\nb 2\nc 1\n", limits=Limits(samples=2))])
    assert problems(limited) == [("sample_limit", 0, "b")]
    assert problems(run([app("a 1\nlonger 1\nlongest 1\n")], total_bytes=26)) == [
        ("total_limit", 0, "longer")
    ]


def test_lines_of_envoy_have_no_numbers() -> None:
    result = run([envoy("# TYPE envoy_a counter\nenvoy_a x\nenvoy_a y\n# TYPE envoy_b counter\nenvoy_b z\n")])
    assert problems(result) == [("malformed_line", 0, "envoy_a x")]


@pytest.mark.attack("B1: a line of an application steers the terminal of who asks why it was dropped")
def test_hostile_lines_are_shown_escaped() -> None:
    lines = {
        "\x1b]0;x\x07 \u202e\u2066": r"\x1b]0;x\x07 \u202e\u2066",
        "é" * 59 + "x" + "é" * 9: "é" * 59 + "x",
        "é" * 999: "é" * 60,
        "x" + "漢" * 999: "x" + "漢" * 39,
        "\x00" * 999: r"\x00" * 120,
    }
    for line, text in lines.items():
        assert problems(run([app(f"a 1\r\n{line}\r\n")])) == [("malformed_line", 2, text)]
    broken = Source("app", b"a 1\n\xff\xe2\x82\n" + b"\x80" * 999)
    assert problems(run([broken])) == [("malformed_line", 2, r"\xff\xe2\x82")]
    named = [
        app(f'# TYPE "\x1b[2J\u202e" {type}\n{{"\x1b[2J\u202e"}} 1\n', type) for type in ("gauge", "counter")
    ]
    result = run(named, Format.TEXT_UTF8)
    assert problems(result, 1) == [("type_conflict", 0, r"\x1b[2J\u202e")]


# From one format to the other


def test_counters() -> None:
    text = "# TYPE a_total counter\na_total 1\n# TYPE b counter\nb 2\n"
    openmetrics = "# TYPE a counter\na_total 1\n# TYPE b unknown\nb 2\n# EOF\n"
    check(text, openmetrics, answer=OPENMETRICS)
    back = "# TYPE a_total counter\na_total 1\n# TYPE b untyped\nb 2\n"
    check(openmetrics, back, source=OPENMETRICS)


@pytest.mark.parametrize(
    "other",
    [
        '# TYPE x histogram\nx_bucket{le="+Inf"} 6\nx_sum 5\nx_count 6\n',
        "# TYPE x summary\nx_sum 5\nx_count 6\n",
        "# TYPE x histogram\nx_sum 5\n",
    ],
    ids=["histogram", "summary", "a histogram that is none"],
)
@pytest.mark.parametrize("format", [TEXT, OPENMETRICS])
def test_a_histogram_named_like_a_sample_of_another_family_loses_only_its_type(
    other: str, format: Format
) -> None:
    """Its TYPE line would be a second one of that name to other parsers."""
    own = '# TYPE x_sum histogram\nx_sum_bucket{le="+Inf"} 1\nx_sum_sum 2\nx_sum_count 1\n'
    for bodies in ([own, other], [other, own], [own + other], [other + own]):
        result = run([app(body, f"app-{n}") for n, body in enumerate(bodies)], format)
        assert not any(stats.dropped.keys() - {"type"} for stats in result.sources)
        found = result.body.decode()
        assert "# TYPE x_sum histogram\n" not in found
        for sample in ("x_sum 5\n", 'x_sum_bucket{le="+Inf"} 1\n', "x_sum_sum 2\n", "x_sum_count 1\n"):
            assert sample in found


def test_a_counter_beside_a_gauge_of_its_name_loses_only_its_type() -> None:
    check(
        "# TYPE a gauge\na 1\n# TYPE a_total counter\na_total 2\n",
        "# TYPE a gauge\na 1\n# TYPE a_total unknown\na_total 2\n# EOF\n",
        answer=OPENMETRICS,
        type=1,
    )
    first, second = app("# TYPE c counter\nc 1\n"), app("# TYPE c counter\nc_total 2\n", "two", OPENMETRICS)
    result = run([first, second], OPENMETRICS)
    assert result.body == b"# TYPE c unknown\nc 1\n# TYPE c_total unknown\nc_total 2\n# EOF\n"
    assert [stats.dropped for stats in result.sources] == [{}, {"type": 1}]
    result = run(
        [envoy("# TYPE envoy_c gauge\nenvoy_c 1\n# TYPE envoy_c_total counter\nenvoy_c_total 2\n")],
        OPENMETRICS,
    )
    assert b"# TYPE envoy_c_total unknown\n" in result.body and result.sources[0].dropped == {"type": 1}


def test_a_histogram_is_closed_where_the_family_of_all_sources_can_be() -> None:
    one = app('# TYPE h histogram\nh_bucket{le="1"} 1\nh_count 2\n', "one")
    open_ended = app('# TYPE h histogram\nh_bucket{x="1",le="1"} 1\n', "two")
    result = run([one, open_ended])
    assert result.body.decode() == (
        '# TYPE h_bucket untyped\nh_bucket{le="1"} 1\nh_bucket{x="1",le="1"} 1\n# TYPE h_count untyped\nh_count 2\n'
    )
    assert [(s.samples, s.dropped) for s in result.sources] == [(2, {"type": 1}), (1, {"type": 1})]
    other = app('# TYPE h histogram\nh_bucket{le="1"} 5\nh_bucket{y="1",le="1"} 3\nh_count{y="1"} 3\n', "two")
    result = run([one, other])
    assert result.body.decode() == (
        '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_count 2\n'
        'h_bucket{y="1",le="1"} 3\nh_bucket{y="1",le="+Inf"} 3\nh_count{y="1"} 3\n'
    )
    assert [(s.samples, s.dropped) for s in result.sources] == [(3, {}), (3, {"duplicate_series": 1})]


def test_a_histogram_that_loses_its_type_gets_no_bucket() -> None:
    check(
        '# TYPE h histogram\nh_count 2\n# TYPE h_created gauge\nh_created{x="1"} 1\n# TYPE h gauge\n',
        '# TYPE h_count unknown\nh_count 2\n# TYPE h_created unknown\nh_created{x="1"} 1\n# EOF\n',
        answer=OPENMETRICS,
        type=1,
    )
    check(
        '# TYPE h histogram\nh_bucket{le="1"} 3\nh_count 2\nh_sum 1\n',
        '# TYPE h_bucket unknown\nh_bucket{le="1"} 3\n# TYPE h_sum unknown\nh_sum 1\n'
        "# TYPE h_count unknown\nh_count 2\n# EOF\n",
        answer=OPENMETRICS,
        type=1,
    )


def test_created() -> None:
    openmetrics = (
        '# TYPE a counter\na_total{x="1"} 1\na_created{x="1"} 1.5\na_total{x="2"} 2\n'
        '# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 2\nh_count 1\nh_created 3\n# EOF\n'
    )
    text = (
        '# TYPE a_total counter\na_total{x="1"} 1\na_total{x="2"} 2\n# TYPE a_created gauge\na_created{x="1"} 1.5\n'
        '# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 2\nh_count 1\n# TYPE h_created gauge\nh_created 3\n'
    )
    check(openmetrics, openmetrics, source=OPENMETRICS, answer=OPENMETRICS)
    check(openmetrics, text, source=OPENMETRICS)
    check(text, openmetrics, answer=OPENMETRICS)
    check(text, text)


def test_timestamps_and_exemplars() -> None:
    openmetrics = '# TYPE a counter\na_total 1 1395066363.5 # {id="x"} 0.5 1395066363\n# EOF\n'
    check(openmetrics, openmetrics, source=OPENMETRICS, answer=OPENMETRICS)
    check(openmetrics, "# TYPE a_total counter\na_total 1 1395066363500\n", source=OPENMETRICS)
    check(
        "a 1 1395066363005\nb 2 5\n",
        "# TYPE a unknown\na 1 1395066363.005\n# TYPE b unknown\nb 2 0.005\n# EOF\n",
        answer=OPENMETRICS,
    )
    check(
        '# TYPE g gauge\ng 1 # {id="x"} 1\n# EOF\n',
        "# TYPE g gauge\ng 1\n# EOF\n",
        source=OPENMETRICS,
        answer=OPENMETRICS,
    )


UNREADABLE = {
    TEXT: (
        "-1", "-62135596800000", "-0", "+5", "1e30", "1.7e+18", "1764062600000.0", "9223372036854775808",
        "9" * 5000, "NaN", "-Inf",
    ),
    OPENMETRICS: ("-1.5", "-1e-9", "1.721735308101e+18", "1e16", "9223372036854775.808", "1e999", "NaN", "Inf", "-Inf"),
}  # fmt: skip


@pytest.mark.parametrize("answer", [TEXT, OPENMETRICS])
@pytest.mark.parametrize(
    ("source", "time"), [(source, time) for source, times in UNREADABLE.items() for time in times]
)
def test_a_time_that_prometheus_cannot_read_goes_and_its_sample_stays(
    source: Format, time: str, answer: Format
) -> None:
    """Prometheus 2.42 and 3: `strconv.ParseInt` of digits in text, a finite float in OpenMetrics."""
    result = run([app(f'# TYPE a gauge\na 3 {time}\na{{b="c"}} 4\n', format=source)], answer)
    assert result.body.removesuffix(b"# EOF\n") == b'# TYPE a gauge\na 3\na{b="c"} 4\n'
    assert (result.sources[0].samples, result.sources[0].dropped) == (2, {"timestamp": 1})
    assert accepted(result.body, answer) == ""


def test_times_that_prometheus_reads() -> None:
    for time in ("0", "0005", "1764062600000", "9223372036854775807"):
        check(f"a 1 {time}\n", f"# TYPE a untyped\na 1 {time}\n")
    for text, openmetrics in (("0", "0"), ("0005", "0.005"), ("9223372036854774000", "9223372036854774")):
        check(f"a 1 {text}\n", f"# TYPE a unknown\na 1 {openmetrics}\n# EOF\n", answer=OPENMETRICS)
    check("a 1 9223372036854775807\n", "# TYPE a unknown\na 1\n# EOF\n", answer=OPENMETRICS, timestamp=1)
    for read, text, openmetrics in (
        ("-0", "0", "0"), ("+5", "5000", "5"), (".5", "500", "0.5"), ("5.", "5000", "5"), ("1.5e3", "1500000", "1500"),
        ("1764062600.1234567", "1764062600123", "1764062600.1234567"),
        ("9e15", "9000000000000000000", "9000000000000000"),
    ):  # fmt: skip
        check(f"# TYPE a gauge\na 1 {read}\n", f"# TYPE a gauge\na 1 {text}\n", source=OPENMETRICS)
        check(
            f"# TYPE a gauge\na 1 {read}\n",
            f"# TYPE a gauge\na 1 {openmetrics}\n# EOF\n",
            source=OPENMETRICS,
            answer=OPENMETRICS,
        )


@pytest.mark.parametrize("time", UNREADABLE[OPENMETRICS])
def test_a_time_of_an_exemplar_that_prometheus_cannot_read_goes(time: str) -> None:
    body = f'# TYPE a counter\na_total 1 # {{id="v"}} 0.5 {time}\n'
    check(
        body,
        '# TYPE a counter\na_total 1 # {id="v"} 0.5\n# EOF\n',
        source=OPENMETRICS,
        answer=OPENMETRICS,
        timestamp=1,
    )
    check(body, "# TYPE a_total counter\na_total 1\n", source=OPENMETRICS)


def test_a_time_counts_only_where_its_sample_is_in_the_answer() -> None:
    check("a 1\na 2 -5\n", "# TYPE a untyped\na 1\n", duplicate_series=1)


def test_samples_of_a_series_with_several_times_are_kept_in_order_of_time() -> None:
    check(
        '# TYPE a gauge\na 3 3000\na{x="y"} 7\na 1 1000\na 2 2000\na 9 2000\na 8\na{x="y"} 6 5000\n',
        '# TYPE a gauge\na 1 1000\na 2 2000\na 3 3000\na{x="y"} 7\n',
        duplicate_series=3,
    )
    check(
        "# TYPE a counter\na_total 3 3\na_created 1 3\na_total 2 2.5\na_created 1 2.5\na_total 4 2.50\n",
        "# TYPE a_total unknown\na_total 2 2.5\na_total 3 3\n# TYPE a_created unknown\na_created 1 2.5\na_created 1 3\n"
        "# EOF\n",
        source=OPENMETRICS,
        answer=OPENMETRICS,
        duplicate_series=1,
        type=1,
    )
    check("a 2 1000\na 3\n", "# TYPE a unknown\na 2 1\n# EOF\n", answer=OPENMETRICS, duplicate_series=1)
    check("a 1 -5\na 2 -6\n", "# TYPE a untyped\na 1\n", duplicate_series=1, timestamp=1)


HISTOGRAM_OF_TIMES = (
    '# TYPE h histogram\nh_bucket{le="1"} 2 2000\nh_bucket{le="1"} 1 1000\nh_bucket{le="+Inf"} 3 2000\n'
    'h_bucket{le="+Inf"} 1 1000\nh_sum 4 2000\nh_count 3 2000\nh_sum 5 1000\nh_count 1 1000\n'
)


def test_histograms_with_several_times_are_one_after_the_other() -> None:
    want = (
        '# TYPE h histogram\nh_bucket{le="1"} 1 1000\nh_bucket{le="+Inf"} 1 1000\nh_sum 5 1000\nh_count 1 1000\n'
        'h_bucket{le="1"} 2 2000\nh_bucket{le="+Inf"} 3 2000\nh_sum 4 2000\nh_count 3 2000\n'
    )
    check(HISTOGRAM_OF_TIMES, want)
    late = 'h_sum 9\nh_bucket{le="1"} 7 2000\nh_bucket{le="2"} 7\nh_sum 1 2000\n'
    check(HISTOGRAM_OF_TIMES + late, want, duplicate_series=4)


def test_histograms_with_several_times_have_no_type_in_openmetrics() -> None:
    """prometheus_client would take the later buckets but the first for duplicates, and miss the last one."""
    result = run([app(HISTOGRAM_OF_TIMES)], OPENMETRICS)
    assert result.body.startswith(b'# TYPE h_bucket unknown\nh_bucket{le="1"} 1 1\nh_bucket{le="1"} 2 2\n')
    assert (result.sources[0].samples, result.sources[0].dropped) == (8, {"type": 1})


@pytest.mark.parametrize("answer", [TEXT, OPENMETRICS])
def test_histograms_with_several_times_that_have_no_type(answer: Format) -> None:
    """The samples of each series are beside each other, since each sample name is a family."""
    want = (
        '# TYPE h untyped\nh 7\n# TYPE h_bucket untyped\nh_bucket{le="1"} 1 1000\nh_bucket{le="1"} 2 2000\n'
        'h_bucket{le="+Inf"} 1 1000\nh_bucket{le="+Inf"} 3 2000\n# TYPE h_sum untyped\nh_sum 5 1000\nh_sum 4 2000\n'
        "# TYPE h_count untyped\nh_count 1 1000\nh_count 3 2000\n"
    )
    if answer is OPENMETRICS:
        want = want.replace("000\n", "\n").replace("untyped", "unknown") + "# EOF\n"
    check(HISTOGRAM_OF_TIMES + "h 7\n", want, answer=answer, type=1)


def test_times_of_several_sources() -> None:
    one = app("# TYPE a gauge\na 2 2000\n# TYPE s summary\ns_sum 2 2000\ns_count 2 2000\n", "one")
    two = app("# TYPE a gauge\na 1 1000\na 5 2000\n# TYPE s summary\ns_sum 1 1000\ns_count 1 1000\n", "two")
    three = app("# TYPE a gauge\na 9\n# TYPE s summary\ns_sum 9\ns_count 1 7000\n", "three")
    result = run([one, two, three])
    assert result.body.decode() == (
        "# TYPE a gauge\na 1 1000\na 2 2000\n"
        "# TYPE s summary\ns_sum 1 1000\ns_count 1 1000\ns_sum 2 2000\ns_count 2 2000\n"
    )
    assert [(source.samples, source.dropped) for source in result.sources] == [
        (3, {}),
        (3, {"duplicate_series": 1}),
        (0, {"duplicate_series": 3}),
    ]


def test_envoys_clusters_have_no_times() -> None:
    body = '# TYPE envoy_a gauge\nenvoy_a{envoy_cluster_name="w-0123456789abcdef"} 1 1000\n'
    result = run([envoy(body + body.partition("\n")[2].replace("1 1000", "2 2000"))])
    assert result.sources[0].dropped == {"duplicate_series": 1}


def test_types_that_text_does_not_have() -> None:
    check(
        '# TYPE build info\n# HELP build What.\nbuild_info{v="1"} 1\n'
        '# TYPE mode stateset\nmode{mode="a"} 1\nmode{mode="b"} 0\n'
        '# TYPE q gaugehistogram\nq_bucket{le="1"} 2\nq_bucket{le="+Inf"} 3\nq_gsum 4\nq_gcount 3\n'
        "# TYPE t_seconds gauge\n# UNIT t_seconds seconds\nt_seconds 1\n# TYPE k unknown\nk 1\n# EOF\n",
        '# HELP build_info What.\n# TYPE build_info gauge\nbuild_info{v="1"} 1\n'
        '# TYPE mode gauge\nmode{mode="a"} 1\nmode{mode="b"} 0\n'
        '# TYPE q_bucket gauge\nq_bucket{le="1"} 2\nq_bucket{le="+Inf"} 3\n# TYPE q_gsum gauge\nq_gsum 4\n'
        "# TYPE q_gcount gauge\nq_gcount 3\n# TYPE t_seconds gauge\nt_seconds 1\n# TYPE k untyped\nk 1\n",
        source=OPENMETRICS,
    )


def test_units_and_help_in_openmetrics() -> None:
    body = '# HELP t_seconds A "quoted" \\\\ help.\n# TYPE t_seconds gauge\n# UNIT t_seconds seconds\nt_seconds 1\n'
    check(body + "# EOF\n", body.replace('"', '\\"') + "# EOF\n", source=OPENMETRICS, answer=OPENMETRICS)
    check(
        "# TYPE t gauge\n# UNIT t seconds\nt 1\n# EOF\n",
        "# TYPE t gauge\nt 1\n# EOF\n",
        source=OPENMETRICS,
        answer=OPENMETRICS,
    )


@pytest.mark.parametrize(
    "body",
    [
        '# TYPE h histogram\nh_bucket{le="1"} 5\nh_bucket{le="+Inf"} 4\nh_sum 1\nh_count 4\n',
        '# TYPE h histogram\nh_bucket{le="+Inf"} 4\nh_sum 1\nh_count 5\n',
        '# TYPE h histogram\nh_bucket{le="1"} 4\nh_sum 1\n',
        '# TYPE h histogram\nh_bucket{le="-1"} 1\nh_bucket{le="+Inf"} 4\nh_sum 1\nh_count 4\n',
        "# TYPE h histogram\nh_sum 1\n",
        "# TYPE a_total counter\na_total -1\n",
        "# TYPE a_total counter\na_total NaN\n",
        '# TYPE s summary\ns{quantile="0.5"} -1\ns_sum -1\ns_count 1.5\n',
        '# TYPE s summary\ns{quantile="0.5"} 1 5\ns_sum 1\n',
    ],
)
def test_what_openmetrics_forbids_is_kept_without_its_type(body: str) -> None:
    result = run([app(body)], OPENMETRICS)
    assert seen(result.body.decode(), openmetrics=True) == seen(body)
    assert set(types(result.body.decode(), openmetrics=True).values()) == {"unknown"}
    assert result.sources[0].dropped == {"type": 1}


def test_utf8_names() -> None:
    body = '# HELP "http.dür" Help.\n# TYPE "http.dür" gauge\n{"http.dür","a.b"="x"} 1\n{"http.dür"} 2\n'
    check(body, '# HELP http_d_r Help.\n# TYPE http_d_r gauge\nhttp_d_r{a_b="x"} 1\nhttp_d_r 2\n')
    check(body, body, answer=Format.TEXT_UTF8)
    check(body, body + "# EOF\n", answer=Format.OPENMETRICS_1_UTF8)


ESCAPED = {
    "allow-utf-8": "my.hist my.sum my.requests_total my.requests my.build_info my.build a.b trace.id",
    "underscores": "my_hist my_sum my_requests_total my_requests my_build_info my_build a_b trace_id",
    "dots": (
        "my_dot_hist my_dot_sum my_dot_requests__total my_dot_requests_ my_dot_build__info my_dot_build_ a_dot_b "
        "trace_dot_id"
    ),
    "values": (
        "U__my_2e_hist U__my_2e_sum U__my_2e_requests__total U__my_2e_requests_ U__my_2e_build__info "
        "U__my_2e_build_ U__a_2e_b U__trace_2e_id"
    ),
}
"""Names of samples and families of the body below, as the libraries for Go write them."""


@pytest.mark.parametrize("format", [format for format in Format if format.scheme])
def test_names_that_need_it_are_escaped_as_the_scraper_asks(format: Format) -> None:
    source = (
        '# TYPE "my.hist" histogram\n{"my.hist_bucket","a.b"="1",le="+Inf"} 2\n'
        '{"my.hist_sum","a.b"="1"} 1\n{"my.hist_count","a.b"="1"} 2\n'
        '# TYPE "my.sum" summary\n{"my.sum",quantile="0.5"} 1\n{"my.sum_sum"} 1\n{"my.sum_count"} 2\n'
        '# TYPE "my.requests" counter\n{"my.requests_total"} 3 # {"trace.id"="x"} 1\n'
        '# TYPE "my.build" info\n{"my.build_info",v="1"} 1\n# TYPE c_d gauge\nc_d{e_f="1"} 1\n'
        "# TYPE U__already_2e_so gauge\nU__already_2e_so 1\n# EOF\n"
    )
    hist, summary, total, requests, info, build, label, trace = ESCAPED[str(format.scheme)].split()
    result = run([app(source, format=OPENMETRICS)], format)
    body = result.body.decode()
    assert result.sources[0].dropped == {}
    assert samples(body, openmetrics=format.openmetrics) == Counter(
        [
            (f"{hist}_bucket", tuple(sorted([(label, "1"), ("le", "inf")])), 2.0),
            (f"{hist}_sum", ((label, "1"),), 1.0),
            (f"{hist}_count", ((label, "1"),), 2.0),
            (summary, (("quantile", "0.5"),), 1.0),
            (f"{summary}_sum", (), 1.0),
            (f"{summary}_count", (), 2.0),
            (total, (), 3.0),
            (info, (("v", "1"),), 1.0),
            ("c_d", (("e_f", "1"),), 1.0),
            ("U__already_2e_so", (), 1.0),
        ]
    )
    if format.openmetrics:
        assert types(body, openmetrics=True) == {
            hist: "histogram",
            summary: "summary",
            requests: "counter",
            build: "info",
            "c_d": "gauge",
            "U__already_2e_so": "gauge",
        }
        assert (f'"{trace}"=' if format.scheme == "allow-utf-8" else f"{{{trace}=") in body
    if format.scheme != "allow-utf-8":
        assert '{"' not in body


def test_a_name_that_its_application_escaped_is_the_same() -> None:
    body = '# TYPE "a.b" gauge\n{"a.b"} 1\n# TYPE U__a_2e_b gauge\nU__a_2e_b{x="1"} 2\n'
    want = '# TYPE U__a_2e_b gauge\nU__a_2e_b 1\nU__a_2e_b{x="1"} 2\n'
    check(body, want, answer=Format.TEXT_VALUES)


@pytest.mark.parametrize("answer", [TEXT, Format.TEXT_UNDERSCORES])
def test_names_that_become_the_same_are_one_family(answer: Format) -> None:
    check(
        '# TYPE "a.b" gauge\n# HELP "a-b" Help.\n# TYPE a_b gauge\n# TYPE "a-b" counter\n'
        '{"a.b"} 1\na_b{x="1"} 2\n{"a-b"} 3\n{"a-b","x.y"="1"} 4\n',
        '# HELP a_b Help.\n# TYPE a_b gauge\na_b 1\na_b{x="1"} 2\na_b{x_y="1"} 4\n',
        answer=answer,
        duplicate_series=1,
    )
    other = [app('# TYPE "a.b" gauge\n{"a.b"} 1\n'), app("# TYPE a_b counter\na_b 1\n", "other")]
    assert run(other, answer).sources[1].dropped == {"type_conflict": 1}
    assert run(other, Format.TEXT_DOTS).sources[1].dropped == {}


def test_buckets_of_names_that_become_the_same() -> None:
    check(
        '# TYPE "a/b" histogram\n# TYPE "a-b" histogram\n{"a/b_bucket",le="+Inf"} 1\n{"a-b_bucket",le="1"} 1\n',
        '# TYPE a__b histogram\na__b_bucket{le="1"} 1\na__b_bucket{le="+Inf"} 1\n',
        answer=Format.TEXT_DOTS,
    )


def test_an_exemplar_whose_labels_become_the_same_is_forgotten() -> None:
    body = '# TYPE a counter\na_total 1 # {"t.i"="1","t-i"="2"} 1\na_total{x="1"} 1 # {"t.i"="1"} 1\n# EOF\n'
    check(
        body,
        '# TYPE a counter\na_total 1\na_total{x="1"} 1 # {t_i="1"} 1\n# EOF\n',
        source=OPENMETRICS,
        answer=OPENMETRICS,
    )


# Clusters


def test_split_clusters_are_summed() -> None:
    result = run(
        [
            envoy(
                "# TYPE envoy_a counter\n"
                'envoy_a{envoy_cluster_name="web-0123456789abcdef",code="200"} 1\n'
                'envoy_a{envoy_cluster_name="web-fedcba9876543210",code="200"} 2\n'
                'envoy_a{envoy_cluster_name="web",code="200"} 4\n'
                'envoy_a{envoy_cluster_name="web-fedcba9876543210",code="500"} 8\n'
                'envoy_a{envoy_cluster_name="ads_cluster"} 16\n'
                "# TYPE envoy_http gauge\n"
                'envoy_http{envoy_http_conn_manager_prefix="admin"} 1\n'
                'envoy_http{envoy_http_conn_manager_prefix="web"} 2\n'
            )
        ]
    )
    assert result.body.decode() == (
        "# TYPE envoy_a counter\n"
        'envoy_a{envoy_cluster_name="web",code="200",kuma_io_mesh_traffic="true"} 7\n'
        'envoy_a{envoy_cluster_name="web",code="500",kuma_io_mesh_traffic="true"} 8\n'
        'envoy_a{envoy_cluster_name="ads_cluster"} 16\n'
        "# TYPE envoy_http gauge\n"
        'envoy_http{envoy_http_conn_manager_prefix="admin"} 1\n'
        'envoy_http{envoy_http_conn_manager_prefix="web",kuma_io_mesh_traffic="true"} 2\n'
    )
    assert (result.sources[0].samples, result.sources[0].dropped) == (5, {})


def test_buckets_of_split_clusters_stay_monotone_and_in_order() -> None:
    lines = ["# TYPE envoy_h histogram\n"]
    for cluster, buckets in (
        ("0" * 16, {"1": 1, "1800000": 4, "+Inf": 5}),
        ("1" * 16, {"0.5": 2, "1.0": 3, "+Inf": 7}),
    ):
        name = f'envoy_cluster_name="web-{cluster}"'
        lines += [f'envoy_h_bucket{{{name},le="{le}"}} {count}\n' for le, count in buckets.items()]
        lines += [f"envoy_h_sum{{{name}}} 0.5\n", f"envoy_h_count{{{name}}} {buckets['+Inf']}\n"]
    got = run([envoy("".join(lines))]).body.decode()
    assert re.findall(r'le="(.*)"} (\d+)', got) == [
        ("0.5", "2"),
        ("1", "4"),
        ("1.8e+06", "7"),
        ("+Inf", "12"),
    ]
    assert got.splitlines()[-2:] == [
        'envoy_h_sum{envoy_cluster_name="web",kuma_io_mesh_traffic="true"} 1',
        'envoy_h_count{envoy_cluster_name="web",kuma_io_mesh_traffic="true"} 12',
    ]


def test_only_envoys_clusters_are_merged() -> None:
    body = '# TYPE a untyped\na{envoy_cluster_name="web-0123456789abcdef"} 1\n'
    check(body, body)


# Invariants

NAMES = st.from_regex(r"[a-z]{1,3}", fullmatch=True)
VALUES = st.one_of(
    st.integers(0, 10**12).map(str),
    st.floats(0, 1e9).map(repr),
    st.sampled_from(["0", "1e3", "+Inf", "NaN", "-1"]),
)
LABEL_VALUES = st.text(st.sampled_from('ab"\\\né ,{}=#'), max_size=4)


@st.composite
def bodies(draw: st.DrawFn, prefix: str) -> str:
    """A valid text body whose families are all called `prefix…`."""
    out = []
    for name in draw(st.lists(NAMES, unique=True, max_size=4)):
        type = draw(st.sampled_from(["counter", "gauge", "untyped", "histogram", "summary"]))
        name = f"{prefix}{name}" + ("_total" if type == "counter" and draw(st.booleans()) else "_x")
        out.append(f"# TYPE {name} {type}\n")
        for value in draw(st.lists(LABEL_VALUES, unique=True, min_size=1, max_size=3)):
            written = value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
            labels = f'l="{written}"' if value else ""
            if type == "histogram":
                counts = sorted(draw(st.lists(st.integers(0, 1000), min_size=3, max_size=3)))
                for le, count in zip(("0.1", "1", "+Inf"), counts, strict=True):
                    out.append(f'{name}_bucket{{{labels}{"," if labels else ""}le="{le}"}} {count}\n')
                out.append(
                    f"{name}_sum{{{labels}}} {draw(st.integers(0, 99))}\n{name}_count{{{labels}}} {counts[-1]}\n"
                )
            elif type == "summary":
                out.append(f'{name}{{{labels}{"," if labels else ""}quantile="0.5"}} {draw(VALUES)}\n')
                out.append(f"{name}_sum{{{labels}}} {draw(VALUES)}\n{name}_count{{{labels}}} 3\n")
            else:
                out.append(f"{name}{{{labels}}} {draw(VALUES)}\n")
    return "".join(out)


def seen(text: str, **how: bool) -> Counter[tuple[str, ...]]:
    """Samples, with NaN equal to itself."""
    return Counter(
        (name, repr(labels), repr(value)) for name, labels, value in samples(text, **how).elements()
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(bodies("a"), bodies("b"))
def test_disjoint_families_are_united(one: str, other: str) -> None:
    united = seen(one) + seen(other)
    for format in (TEXT, OPENMETRICS):
        result = run([app(one, "one"), app(other, "other")], format)
        assert seen(result.body.decode(), openmetrics=format.openmetrics) == united
        assert all(
            source.dropped.keys() <= {"type"} for source in result.sources
        )  # of negative counters and such


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(bodies("a"))
def test_merging_with_itself_changes_nothing(body: str) -> None:
    once, twice = run([app(body)]), run([app(body, "one"), app(body, "two")])
    assert twice.body == once.body
    assert sum(twice.sources[1].dropped.values()) == once.sources[0].samples


BOUNDS = ("0.5", "1", "5", "25", "1800000")


@st.composite
def split_histograms(draw: st.DrawFn) -> tuple[str, dict[str, list[dict[str, int]]]]:
    """Envoy's histogram of split clusters, and by service what each part has: `sum`, and cumulative counts by bound."""
    lines, services = ["# TYPE envoy_h histogram\n"], {}
    for service in draw(st.lists(st.sampled_from(["web", "db", "api"]), unique=True, min_size=1)):
        parts = services[service] = []
        for number in range(draw(st.integers(1, 4))):
            bounds = draw(st.lists(st.sampled_from(BOUNDS), unique=True).map(lambda b: sorted(b, key=float)))
            counts = sorted(
                draw(st.lists(st.integers(0, 10**9), min_size=len(bounds) + 1, max_size=len(bounds) + 1))
            )
            part = dict(zip((*bounds, "+Inf"), counts, strict=True)) | {"sum": draw(st.integers(0, 10**12))}
            parts.append(part)
            name = f'envoy_cluster_name="{service}-{number:016x}"'
            lines += [f'envoy_h_bucket{{{name},le="{le}"}} {n}\n' for le, n in part.items() if le != "sum"]
            lines += [f"envoy_h_sum{{{name}}} {part['sum']}\n", f"envoy_h_count{{{name}}} {counts[-1]}\n"]
    return "".join(lines), services


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(split_histograms())
def test_merged_histograms_are_histograms(split: tuple[str, dict[str, list[dict[str, int]]]]) -> None:
    """Buckets rise with their bounds, the last one is the count, and no sum is lost."""
    body, services = split
    for format in (TEXT, OPENMETRICS):
        got = run([envoy(body)], format).body.decode()
        found = [
            (name, dict(labels), value)
            for name, labels, value in samples(got, openmetrics=format.openmetrics)
        ]
        assert {labels["envoy_cluster_name"] for _, labels, _ in found} == set(services)
        for service, parts in services.items():
            own = [each for each in found if each[1]["envoy_cluster_name"] == service]
            buckets = sorted((float(labels["le"]), n) for name, labels, n in own if name.endswith("_bucket"))
            (total,) = (n for name, _, n in own if name.endswith("_sum"))
            (count,) = (n for name, _, n in own if name.endswith("_count"))
            counts = [n for _, n in buckets]
            assert counts == sorted(counts)
            assert counts[-1] == count == sum(part["+Inf"] for part in parts)
            assert total == sum(part["sum"] for part in parts)
            assert len(buckets) == len({bound for part in parts for bound in part if bound != "sum"})
            for bound, n in buckets[:-1]:
                spelling = f"{bound:.0f}" if bound >= 1 else str(bound)
                if all(spelling in part for part in parts):
                    assert n == sum(part[spelling] for part in parts)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["web", "db"]), st.sampled_from("xy"), st.integers(0, 10**12)), max_size=12
    ),
    st.sampled_from(["counter", "gauge"]),
)
def test_merged_clusters_keep_their_sums(rows: list[tuple[str, str, int]], type: str) -> None:
    lines = [f"# TYPE envoy_a {type}\n"]
    want: Counter[tuple[str, str]] = Counter()
    for number, (service, code, count) in enumerate(rows):
        lines.append(f'envoy_a{{envoy_cluster_name="{service}-{number:016x}",code="{code}"}} {count}\n')
        want[service, code] += count
    for format in (TEXT, OPENMETRICS):
        result = run([envoy("".join(lines))], format)
        got = samples(result.body.decode(), openmetrics=format.openmetrics)
        assert {
            (dict(labels)["envoy_cluster_name"], dict(labels)["code"]): value for _, labels, value in got
        } == dict.fromkeys({(service, code) for service, code, _ in rows}, 0) | want
        assert result.sources[0].dropped == {}


LINES = [
    line + b"\n"
    for line in (
        b"# TYPE a counter", b"# TYPE a_total counter", b"# TYPE a histogram", b"a_total 1", b"a 1 # {} 2",
        b'a_bucket{le="1"} 2', b"# HELP a x", b"# EOF", b'{"a.b"} 1', b"a_created 5", b"# TYPE a info",
    )
]  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=30),
            st.text(st.sampled_from('ab_{}",=\\ #\n1eE+-.NaInf\t\r'), max_size=40).map(str.encode),
            st.sampled_from(LINES),
        ),
        max_size=8,
    ),
    st.sampled_from([TEXT, OPENMETRICS]),
)
def test_whatever_comes_the_answer_is_valid(parts: list[bytes], source: Format) -> None:
    body = b"".join(parts)
    sources = [Source("one", body, source), Source("two", body[::-1]), Source("envoy", body, envoy=True)]
    for ordered in (sources, sources[::-1]):
        samples(run(ordered).body.decode())
        samples(run(ordered, OPENMETRICS).body.decode(), openmetrics=True)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("type", ["gauge", "counter", "histogram", "summary"])
def test_odd_lines_anywhere_in_a_long_family(type: str, seed: int) -> None:
    random = Random(seed)
    ends = ("", "_sum", "_count", "_bucket") if type in ("histogram", "summary") else ("",)
    labels = [f'x="{n}{"v" * 300}"' for n in range(random.choice((60, 600)))]
    odd = ("1 5", "1 6", "x", " 2", '1 # {id="1"} 1')

    def line() -> str:
        end, text = random.choice(ends), random.choice(labels)
        if end == "_bucket":
            text += f',le="{random.choice((1, 2, 5, "+Inf"))}"'
        elif ends[1:] and not end and random.random() < 0.9:
            text += f',quantile="{random.choice((0.1, 0.5))}"'
        return f"h{end}{{{text}}} {random.choice(odd) if random.random() < 0.004 else 1}\n"

    body = f"# TYPE h {type}\n" + "".join(line() for _ in range(1000))
    run([app(body)])
    run([app(body)], OPENMETRICS)


def test_odd_bodies() -> None:
    """Sources and options of all kinds, the same ones in every run; `support.odd_bodies` as a program runs others."""
    (kernel,) = under_test
    for sources, options in islice(cases(Random(1)), 1000):
        assert kernel.merge(sources, options) == LONG_WAY.merge(sources, options)


TEXTS_OF_NUMBERS = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(repr),
    st.floats(width=32).map(lambda number: f"{number:g}"),
    st.decimals(allow_nan=False, allow_infinity=False, places=4).map(str),
    st.from_regex(
        r"[+-]?[0-9]{0,20}\.?[0-9]{0,20}([eE][+-]?[0-9]{1,25})?", fullmatch=True, alphabet="0123456789+-.eE"
    ),
)


@settings(deadline=None)
@given(st.lists(TEXTS_OF_NUMBERS, min_size=2, max_size=4), st.sampled_from([TEXT, OPENMETRICS]))
@example(["5.6295e+14", "1.25"], TEXT)  # two shortest forms of the sum are equally near
def test_numbers_of_all_kinds(numbers: list[str], answer: Format) -> None:
    """Sums of values, bounds of buckets, and timestamps in both directions."""
    lines = ["# TYPE envoy_g gauge\n"]
    lines += [f'envoy_g{{envoy_cluster_name="w-{n:016x}"}} {text}\n' for n, text in enumerate(numbers)]
    lines += ["# TYPE envoy_h histogram\n"]
    lines += [
        f'envoy_h_bucket{{envoy_cluster_name="w-{n:016x}",le="{le}"}} {n}\n' for n, le in enumerate(numbers)
    ]
    lines += [f'envoy_t{{n="{n}"}} 1 {text}\n' for n, text in enumerate(numbers)]
    for spoken in (TEXT, OPENMETRICS):
        run([Source("envoy", "".join(lines).encode(), spoken, envoy=True)], answer)


@pytest.mark.parametrize("path", EXPOSITIONS, ids=lambda path: path.name)
def test_files(path: Path) -> None:
    """Bodies as they are met in life: the answer is valid, and the same in both formats."""
    body = path.read_bytes()
    source = Source("source", body, sniff(body), envoy=path.name.startswith("envoy"))
    text, openmetrics = run([source]), run([source], OPENMETRICS)
    assert accepted_by_promtool(text.body) == ""
    assert sum(samples(text.body.decode()).values()) == text.sources[0].samples > 0
    assert seen(openmetrics.body.decode(), openmetrics=True) == seen(text.body.decode())


def test_the_defaults_are_safe() -> None:
    assert Limits().labels is not None and Limits().label_value_bytes is not None
    assert Options().format is TEXT
    assert Options().merge_clusters and Options().total_bytes is not None


FAMILIES = (
    b'# TYPE envoy_cluster_upstream_rq counter\nenvoy_cluster_upstream_rq{envoy_cluster_name="web"} 3\n',
    b'# TYPE envoy_cluster_upstream_rq_total counter\nenvoy_cluster_upstream_rq_total{envoy_cluster_name="web"} 4\n',
    b"# HELP envoy_server_live Alive.\n# TYPE envoy_server_live gauge\nenvoy_server_live 1\n",
    b'# TYPE envoy_a gauge\nenvoy_a{envoy_cluster_name="web-0123456789abcdef"} 1\n'
    b'envoy_a{envoy_cluster_name="web-fedcba9876543210"} 2\n',
    b'# TYPE envoy_ms histogram\nenvoy_ms_bucket{le="1"} 1\nenvoy_ms_bucket{le="+Inf"} 2\nenvoy_ms_sum 7\n'
    b"envoy_ms_count 2\n",
    b"# TYPE envoy_bad counter\nenvoy_bad{ 1\nenvoy_bad 2\n",
    b"# TYPE wasm_things counter\nwasm_things 1\n",
    b"# TYPE envoy_x_total counter\nenvoy_x_total 5\n",
    b"# TYPE envoy_x gauge\nenvoy_x 1\n",
    b"# TYPE envoy_c gauge\nenvoy_c 1\nenvoy_d 1\n",
    b'envoy_ms{x="1"} 1\n',
    b"# TYPE envoy_ms_sum gauge\nenvoy_ms_sum 1\n",
    b"\r\n",
    b" ",
)
ODD = [
    line.replace(prefix + b"a", prefix + b"envoy_a")
    for line in islice(lines(Random(7)), 1500)
    for prefix in (b"", b"# TYPE ")
]
BODIES = st.lists(st.one_of(st.sampled_from(FAMILIES), st.sampled_from(ODD)), max_size=14).map(b"".join)


@given(
    body=BODIES,
    before=BODIES,
    application=BODIES,
    places=st.lists(st.integers(0, 2000), max_size=12),
    options=st.builds(
        Options,
        st.sampled_from([TEXT, Format.TEXT_UTF8, OPENMETRICS, Format.OPENMETRICS_1_UTF8]),
        st.booleans(),
        st.sampled_from([None, None, 30, 150, 400]),
    ),
    whole=st.booleans(),
)
@example(
    b"".join(FAMILIES),
    FAMILIES[8],
    b"# TYPE app_x gauge\napp_x 1\n",
    [*range(2000)],
    Options(OPENMETRICS),
    True,
)
@settings(max_examples=150, deadline=None)
def test_the_same_answer_however_it_arrives_and_whatever_was_answered_before(
    body: bytes, before: bytes, application: bytes, places: list[int], options: Options, whole: bool
) -> None:
    (kernel,) = under_test
    sources = [app(application.decode(errors="replace"), label="app")]
    streamed(kernel, [before], sources, options)
    answer = streamed(kernel, cut(body, places), sources, options, whole=whole)
    assert answer == streamed(LONG_WAY, [body], sources, options, whole=whole)
    if whole:
        assert answer == kernel.merge([Source("envoy", body, envoy=True), *sources], options)
    judged(answer.pieces, options.format)


def fed(*pieces: bytes, answer: Format = TEXT, whole: bool = True, **options: object) -> MergeResult:
    """The answer to Envoy's body in pieces."""
    (kernel,) = under_test
    return streamed(kernel, pieces, [], Options(answer, **options), whole=whole)  # type: ignore[arg-type]  # of a test


def test_a_family_leaves_when_the_next_one_begins() -> None:
    (kernel,) = under_test
    merging = kernel.begin(Options(TEXT))
    assert not merging.feed(FAMILIES[0])  # more of it may come
    assert not merging.feed(FAMILIES[0][-3:] + FAMILIES[2][:12])  # is it the first line of a head?
    (answer,) = merging.feed(FAMILIES[2][12:])
    assert (
        answer.startswith(b"# TYPE envoy_cluster_upstream_rq counter\n")
        and b"envoy_server_live 1" not in answer
    )
    assert not merging.feed(b"# HELP envoy_b B.\n")  # may belong to what comes
    (answer,) = merging.feed(b"# TYPE envoy_b gauge\n")
    assert answer == FAMILIES[2]
    result = merging.finish([])
    assert b"envoy_b" not in result.body and result.sources[0].samples == 2


def test_families_of_others_come_after_envoys_own() -> None:
    body = fed(FAMILIES[0] + FAMILIES[6] + FAMILIES[2]).body
    assert body.index(b"envoy_server_live") < body.index(b"wasm_things 1")
    body = fed(FAMILIES[9], FAMILIES[2]).body  # one with samples of another one in it as well
    assert body.index(b"envoy_server_live") < body.index(b"envoy_c 1") < body.index(b"envoy_d 1")


def test_the_last_family_of_a_body_that_broke_off_is_left_out() -> None:
    result = fed(FAMILIES[0] + FAMILIES[2][:-1], whole=False)
    assert (result.body.count(b"# TYPE"), result.sources[0].samples) == (1, 1)
    assert fed(FAMILIES[0] + FAMILIES[2][:-1]).body.endswith(FAMILIES[2])  # only its newline is missing


@pytest.mark.parametrize("size", [1, 30, 10_000])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"# TYPE envoy_b gauge\nenvoy_b 1\n", b'# TYPE envoy_b counter\nenvoy_b 2\nenvoy_b{x="1"} 2\n'),
        (
            b"# TYPE envoy_h summary\nenvoy_h_count 1\n",
            b"# TYPE envoy_h_count gauge\nenvoy_h_count 2\nenvoy_h_count 3\n",
        ),
        (b"# TYPE envoy_b gauge\nenvoy_b 1\n", b"# TYPE b gauge\nenvoy_b 2\nenvoy_b 3\n"),
    ],
    ids=["the same name", "a name of its samples", "kept for the end"],
)
def test_a_second_family_of_a_name_is_dropped_and_counted(first: bytes, second: bytes, size: int) -> None:
    body = first + FAMILIES[2] + second
    result = fed(*cut(body, range(0, len(body), size)))
    assert result.body == first + FAMILIES[2]
    assert result.sources[0].dropped == {"type_conflict": 2}
    assert [(p.reason, p.line) for p in result.sources[0].problems] == [("type_conflict", 0)]


def test_openmetrics_the_first_family_to_take_a_name_has_it() -> None:
    counter, gauge = FAMILIES[7:9]
    assert fed(gauge + counter, answer=OPENMETRICS).body.splitlines() == [
        b"# TYPE envoy_x gauge", b"envoy_x 1", b"# TYPE envoy_x_total unknown", b"envoy_x_total 5", b"# EOF"
    ]  # fmt: skip
    second = fed(counter + gauge, answer=OPENMETRICS)
    assert b"# TYPE envoy_x counter" in second.body and second.sources[0].dropped == {"type_conflict": 1}
    assert fed(counter + gauge).sources[0].samples == 2  # text has both


def test_a_family_that_was_not_written_has_taken_no_names() -> None:
    many = b"# TYPE envoy_b gauge\n" + b"".join(b'envoy_b{x="%d"} 1\n' % n for n in range(20))
    result = fed(many + b"# TYPE envoy_b counter\nenvoy_b 1\n", total_bytes=100)
    assert result.body == b"# TYPE envoy_b counter\nenvoy_b 1\n"
    assert result.sources[0].dropped == {"total_limit": 20}


def test_the_limit_of_the_answer_holds_for_all_its_parts() -> None:
    sources = [app("# TYPE app_x gauge\napp_x 1\n")]
    (kernel,) = under_test
    options = Options(OPENMETRICS, total_bytes=len(FAMILIES[2]) + 6 + len(sources[0].body) - 1)
    result = streamed(kernel, [FAMILIES[2] + FAMILIES[0]], sources, options)
    assert result.body == FAMILIES[2] + b"# EOF\n"
    assert [source.dropped for source in result.sources] == [{"total_limit": 1}] * 2


def test_limits_of_what_is_fed() -> None:
    (kernel,) = under_test
    merging = kernel.begin(Options(TEXT), Limits(samples=1))
    sent = b"".join(merging.feed(FAMILIES[2] + FAMILIES[0] + FAMILIES[6]))
    result = merging.finish([])
    assert sent + result.body == FAMILIES[2]
    assert result.sources[0].dropped == {"sample_limit": 2}


def test_without_envoy_there_is_nothing_to_tell_of_it() -> None:
    (kernel,) = under_test
    assert kernel.begin(Options()).finish([]).sources == ()
    merging = kernel.begin(Options())
    assert not merging.feed(b"")
    assert merging.finish([]).sources[0].name == "envoy"


def test_labels_are_forgotten_in_between() -> None:
    """More of a body than `RENEWAL`."""
    family = b"".join(
        b'envoy_b%%d{n="%d",envoy_cluster_name="web-0123456789abcdef"} 1\n' % n for n in range(2000)
    )
    body = b"".join(b"# TYPE envoy_b%d gauge\n" % n + family.replace(b"%d", b"%d" % n) for n in range(165))
    assert len(body) > RENEWAL
    result = fed(body)
    assert result.body == body.replace(b"-0123456789abcdef", b"").replace(
        b'web"', b'web",kuma_io_mesh_traffic="true"'
    )


LONG = b"# TYPE envoy_l gauge\n" + b"".join(b'envoy_l{n="%d"} 1\n' % n for n in range(9000))
HOSTILE = (
    b"# TYPE a gauge\n" + b"".join(b'a{n="%d"} 1\nb{n="%d"} x\n' % (n, n) for n in range(300)),
    b"".join(b"# TYPE c%d gauge\nc%d 1\nc%d 2\n" % (n, n, n) for n in range(100)),
    b"\xef\xbb\xbf # TYPE d gauge\r\n \td 1\r\n" + b"#\n" * 3000 + b"?",
)


def with_a_deadline(options: Options, clock: Callable[[], float] | None = None) -> MergeResult:
    """Of sources that would take long. What is not in the answer is counted, in whatever moment the time was over."""
    (kernel,) = under_test
    if clock is not None:
        kernel = Kernel("python", partial(merge_python.begin, clock=clock))
    sources = [app(body.decode(), label="app") for body in HOSTILE]
    result = streamed(
        kernel, cut(FAMILIES[2] + LONG + FAMILIES[6], range(0, 400_000, 50_000)), sources, options
    )
    told = [source.samples + sum(source.dropped.values()) for source in result.sources]
    assert told == [9002, 600, 200, 2]
    return result


@pytest.mark.parametrize("answer", [TEXT, OPENMETRICS])
def test_no_time_at_all(answer: Format) -> None:
    result = with_a_deadline(Options(answer, seconds=0))
    assert result.body == (b"# EOF\n" if answer.openmetrics else b"")
    assert [source.dropped for source in result.sources] == [
        {"deadline": n} for n in (9002, 600, 200, 2)
    ]  # fmt: skip


def test_time_enough() -> None:
    whole, timed = with_a_deadline(Options()), with_a_deadline(Options(seconds=1e6))
    assert whole == timed and "deadline" not in whole.sources[0].dropped


def test_the_time_is_over_at_any_moment() -> None:
    """By a clock that stands still for a while; the compiled kernel has one of its own."""
    (kernel,) = under_test
    seen: set[tuple[int, ...]] = set()
    for n in range(30):
        if kernel is PYTHON:
            clock = chain(repeat(0.0, 2**n), repeat(1.0)).__next__
            result = with_a_deadline(Options(OPENMETRICS, seconds=1), clock)
        else:
            result = with_a_deadline(Options(OPENMETRICS, seconds=1e-4 * 2**n))
        written = [line for line in result.body.splitlines() if not line.startswith(b"#")]
        assert len(written) == sum(source.samples for source in result.sources)
        seen.add(tuple(source.samples for source in result.sources))
        if not any("deadline" in source.dropped for source in result.sources):
            break
    assert len(seen) > 4 or kernel is not PYTHON
    assert result.sources[0].samples == 9002
