"""gather: the results of all fetches into one answer (design 6).

A source that failed costs only itself; only when every source failed is the answer 503 (deviations D19), and 400, with
Envoy's words, when the scraper's own query is one that Envoy refuses. Series of
our own say what became of each source, and are always consistent with what was returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from meshmeter.exposition.formats import Format, charset, negotiate, response_format, sniff
from meshmeter.exposition.intersect import intersect
from meshmeter.exposition.kernel import PYTHON, Kernel
from meshmeter.exposition.lines import LOST, Fault, escape
from meshmeter.exposition.merge import Limits, Merging, Options, Source, SourceStats
from meshmeter.exposition.numbers import shortest
from meshmeter.scrape.charsets import CharsetError, TooLong, in_utf8
from meshmeter.scrape.config import SourceOptions
from meshmeter.scrape.plan import ENVOY, ScrapePlan
from meshmeter.scrape.report import SourceReport
from meshmeter.scrape.results import FetchError, FetchResult

SAMPLES = 100_000
"""How many an application may have, if its entry does not say."""

_PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class ScrapeResponse:
    """What the scraper gets."""

    status: int
    content_type: str
    pieces: Sequence[bytes]

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


def gather(
    plan: ScrapePlan,
    results: Sequence[FetchResult],
    kernel: Kernel = PYTHON,
    agent: bytes = b"",
    seconds: float | None = None,
) -> tuple[ScrapeResponse, tuple[SourceReport, ...]]:
    """The answer and what to tell of each source. `results` are in the order of `plan.names`; `agent` are the agent's
    own metrics in text 0.0.4, which follow the series about the sources. Every kernel gives the same answer. Merging
    takes no longer than `seconds`; what is not merged then is dropped."""
    envoy, *applications = [readable(result, plan) for result in results]
    format = negotiate(
        plan.accept, [response_format(r.content_type) for r in applications if r.error is None]
    )
    merging = kernel.begin(Options(format, seconds=seconds))
    first = merging.feed(envoy.body) if envoy.error is None else ()
    rest, reports = finish(plan, format, merging, envoy, len(envoy.body), applications, kernel, agent)
    if plan.queried and results[0].status == 400:
        text = f"Envoy refuses the query: {results[0].detail}\n"
        return ScrapeResponse(400, _PLAIN, (text.encode(errors="replace"),)), reports
    if not any(report.up for report in reports):
        return _unavailable(reports), reports
    return ScrapeResponse(200, format.value, (*first, *rest)), reports


def format_in_advance(plan: ScrapePlan, spoken: Mapping[str, Format]) -> Format | None:
    """The format of the answer before any source has answered, from what the applications spoke last time.

    None if that cannot be known: what the scraper accepts leaves a choice, and an application is new.
    """
    least, most = (negotiate(plan.accept, formats) for formats in ((), (Format.OPENMETRICS_1,)))
    if least is most:
        return least
    names = [application.name for application in plan.applications]
    if not all(name in spoken for name in names):
        return None
    return negotiate(plan.accept, [spoken[name] for name in names])


def spoken_formats(results: Sequence[FetchResult]) -> dict[str, Format]:
    """What each application speaks, for `format_in_advance`; one that is down speaks nothing that matters."""
    return {r.name: response_format(r.content_type) for r in results if r.name != ENVOY}


def finish(
    plan: ScrapePlan,
    format: Format,
    merging: Merging,
    envoy: FetchResult,
    received: int,
    applications: Sequence[FetchResult],
    kernel: Kernel = PYTHON,
    agent: bytes = b"",
) -> tuple[Sequence[bytes], tuple[SourceReport, ...]]:
    """What comes after all that `merging` has given away while Envoy's body was fed to it, and what to tell of each
    source.

    `envoy` says how Envoy's answer ended after `received` bytes; `applications` are `readable` ones in the order of
    `plan.applications`; `agent` as for `gather`.
    """
    sources = [_source(result, plan) for result in applications if result.error is None]
    merged = merging.finish(sources, whole=envoy.error is None)
    stats = {source.name: source for source in merged.sources}
    reports = (
        _report(envoy, stats.get(ENVOY), received),
        *(_report(result, stats.get(result.name), len(result.body)) for result in applications),
    )
    return (*merged.without_end(), *_described(reports, format, kernel, agent)), reports


def _described(
    reports: Sequence[SourceReport], format: Format, kernel: Kernel, agent: bytes
) -> Sequence[bytes]:
    """The end of an answer: the series about the sources, and what the agent says of itself."""
    own = Source("", b"".join((*_self_description(reports), agent)), envoy=True)
    return kernel.merge([own], Options(format, merge_clusters=False, total_bytes=None)).pieces


def readable(result: FetchResult, plan: ScrapePlan) -> FetchResult:
    """The result with its body in UTF-8 and, where there are two answers, only what is in both."""
    if result.error is not None:
        return result
    if response_format(result.content_type) is Format.PROTOBUF:
        return _failed(result, FetchError.FORMAT, "the answer is protobuf, which was not asked for")
    try:
        body = in_utf8(result.body, charset(result.content_type), plan.body_limit(result.name))
    except CharsetError as exc:
        return _failed(result, FetchError.DECODE, str(exc))
    except TooLong as exc:
        return _failed(result, FetchError.TOO_LARGE, str(exc))
    result = replace(result, body=body)
    if result.restrict_to is not None:
        result = replace(result, body=intersect(result.body, result.restrict_to), restrict_to=None)
    return result


def _failed(result: FetchResult, error: FetchError, detail: str) -> FetchResult:
    return FetchResult(result.name, result.duration, error=error, detail=detail)


def _source(result: FetchResult, plan: ScrapePlan) -> Source:
    format = response_format(result.content_type)
    return Source(
        result.name,
        result.body,
        sniff(result.body) if format is Format.UNKNOWN else format,
        label=plan.application_label,
        limits=limits_of(plan.options(result.name)),
    )


def limits_of(options: SourceOptions) -> Limits:
    """What an application may contribute: what its entry sets, else the defaults. 0 samples are no limit of them."""
    default = Limits()
    return Limits(
        samples=SAMPLES if options.samples is None else options.samples or None,
        labels=options.labels or default.labels,
        label_name_bytes=options.label_name_bytes or default.label_name_bytes,
        label_value_bytes=options.label_value_bytes or default.label_value_bytes,
    )


def _report(result: FetchResult, stats: SourceStats | None, size: int) -> SourceReport:
    """Of a source; if its answer broke off, with what of it is in this one."""
    if stats is None:
        error = result.error or FetchError.FORMAT
        return SourceReport(result.name, False, result.duration, error=error.value, detail=result.detail)
    report = SourceReport(
        result.name,
        result.error is None,
        result.duration,
        samples=stats.samples,
        body_bytes=size,
        dropped=_dropped(stats.dropped),
        lost=_lost(stats.dropped),
        problems=stats.problems,
    )
    if result.error is None:
        return _judged(report)
    return replace(report, error=result.error.value, detail=result.detail)


def _dropped(counts: Mapping[str, int]) -> dict[str, int]:
    """Those of samples that are not in the answer."""
    return {reason: count for reason, count in counts.items() if reason not in LOST}


def _lost(counts: Mapping[str, int]) -> dict[str, int]:
    """Those of what samples of the answer lost."""
    return {reason: count for reason, count in counts.items() if reason in LOST}


def _judged(report: SourceReport) -> SourceReport:
    """The report of a complete answer; down if that is something else than metrics, or nothing of it could be merged
    in time."""
    if report.samples:
        return report
    if Fault.DEADLINE in report.dropped:
        detail = "its answer was read, but no time was left to merge any of it"
        return replace(report, up=False, error=FetchError.TIMEOUT.value, detail=detail)
    if report.dropped.keys() == {Fault.MALFORMED.value}:
        detail = "no line of the answer is a sample"
        return replace(report, up=False, error=FetchError.FORMAT.value, detail=detail)
    return report


def _unavailable(reports: Sequence[SourceReport]) -> ScrapeResponse:
    lines = [f"{r.name}: {r.error}" + (f": {r.detail}" if r.detail else "") for r in reports]
    text = "\n".join(["No source of metrics could be read.", *lines, ""])
    return ScrapeResponse(503, _PLAIN, (text.encode(errors="replace"),))


def _self_description(reports: Sequence[SourceReport]) -> Iterator[bytes]:
    """The series about the sources, in text 0.0.4."""
    families: tuple[tuple[str, str, Callable[[SourceReport], bytes]], ...] = (
        ("up", "Whether the source was read (1) or not (0) in this scrape.", lambda r: b"%d" % r.up),
        (
            "scrape_duration_seconds",
            "How long fetching the source took.",
            lambda r: shortest(round(r.duration, 6)),
        ),
        ("samples", "Samples of the source in this answer.", lambda r: b"%d" % r.samples),
        ("body_bytes", "Size of the source's answer after decompression.", lambda r: b"%d" % r.body_bytes),
    )
    for name, help, number in families:
        yield from _head(name, help)
        for report in reports:
            yield _line(name, number(report), report.name)
    yield from _head("dropped_samples", "Samples of the source that are not in this answer, by reason.")
    for report in reports:
        for reason, count in sorted(report.dropped.items()):
            yield _line("dropped_samples", b"%d" % count, report.name, reason)
    yield from _head("lost_details", "What samples of the source in this answer lost, by kind.")
    for report in reports:
        for reason, count in sorted(report.lost.items()):
            yield _line("lost_details", b"%d" % count, report.name, reason)
    yield from _head("error", "Why the source was not read.")
    for report in reports:
        if report.error is not None:
            yield _line("error", b"1", report.name, report.error)


def _head(name: str, help: str) -> Iterator[bytes]:
    yield f"# HELP meshmeter_source_{name} {help}\n# TYPE meshmeter_source_{name} gauge\n".encode()


def _line(name: str, value: bytes, source: str, reason: str | None = None) -> bytes:
    labels = b'source="%b"' % escape(source.encode())
    if reason is not None:
        labels += b',reason="%b"' % reason.encode()
    return b"meshmeter_source_%b{%b} %b\n" % (name.encode(), labels, value)
