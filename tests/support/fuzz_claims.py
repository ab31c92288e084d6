"""What holds for every case: the claims that the fuzzer tries to refute."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import ParamSpec, TypeVar

from meshmeter.exposition.formats import Format
from meshmeter.exposition.kernel import PYTHON, Kernel, choose
from meshmeter.exposition.lines import LOST, Fault
from meshmeter.exposition.merge import Limits, MergeResult, Options, Source
from meshmeter.exposition.names import Escaping
from support.fuzz_cases import Case
from support.judge import Stored, judge, objections
from support.odd_bodies import LONG_WAY
from support.pieces import in_many_ways, is_fed

KERNELS: tuple[Kernel, ...] = tuple({kernel.name: kernel for kernel in (PYTHON, choose())}.values())


NO_SAMPLES = LOST - {Fault.TIMESTAMP}
"""What is counted and changes no sample as Prometheus stores it."""
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
_NEGATIVE = re.compile("^expfmt: .* negative (count|bucket population) for histogram")
"""What expfmt refuses since 2025, and Prometheus does not: it is written as the application wrote it."""
_BOUND = re.compile(r'\b(le|quantile)="([^"]*)"')


class Refuted(Exception):
    """A claim does not hold."""

    def __init__(self, claim: str, details: str):
        super().__init__(f"{claim}: {details}")
        self.claim = claim


def check(case: Case) -> Hashable:
    """Raises Refuted where a claim does not hold. Gives what the kernels did with the case, in short: cases of which it
    is new are worth more than others."""
    sources, options, _ = case
    result = _try(PYTHON.merge, sources, options)
    _same("the shortcuts change nothing", result, _try(LONG_WAY.merge, sources, options))
    for kernel in KERNELS[1:]:
        _same("the kernels agree", result, _try(kernel.merge, sources, options))
    if is_fed(sources):
        for kernel in KERNELS:
            for streamed in _try(_streamed, kernel, case):
                _same("it does not count how Envoy's body arrives", result, streamed)
    said = objections(result.body, options.format)
    if said and not _NEGATIVE.search(said):
        raise Refuted("every parser takes the answer", f"{said}\n{_shown(result.body)}")
    owners = {source.envoy for source in sources}
    if len(owners) == 1:
        _again(result, options, envoy=owners == {True})
    if len(sources) == 1:
        _true_to(sources[0], options, result)
    return (
        options.format,
        tuple(tuple(sorted(stats.dropped)) for stats in result.sources),
        frozenset(
            line.rpartition(b" ")[2] for line in result.body.splitlines() if line.startswith(b"# TYPE")
        ),
        len(result.body).bit_length() // 2,
    )


def _again(result: MergeResult, options: Options, *, envoy: bool) -> None:
    """Our own answer, merged again, says the same. Bounds are written anew for Envoy alone, so it counts whose it is.

    The order of Envoy's families may change: what can be sent while its body arrives comes before all else, and some
    that could not be, like lines without TYPE, can be once we have written them. That of labels may, too."""
    source = Source("again", result.body, options.format, envoy, limits=Limits(None, None, None, None))
    again = PYTHON.merge([source], replace(options, merge_clusters=False))
    claim = "an answer that is merged again says the same"
    if _said(again.body) != _said(result.body):
        raise Refuted(claim, f"{_shown(result.body)}became\n{_shown(again.body)}")
    if again.sources[0].dropped:
        raise Refuted(claim, f"{dict(again.sources[0].dropped)} of\n{_shown(result.body)}")


def _said(body: bytes) -> Counter[tuple[str, ...]]:
    """The lines of a body, each as its words, whatever their order."""
    return Counter(tuple(sorted(re.split("[{,}]", line))) for line in body.decode().split("\n"))


def _true_to(source: Source, options: Options, result: MergeResult) -> None:
    """Of an application that Prometheus reads it stores the same through us, but for what is counted."""
    prometheus = judge()
    if prometheus is None or source.envoy or source.label is not None or source.limits != Limits():
        return
    if (
        options.total_bytes is not None or b"\0" in source.body
    ):  # where Prometheus's text parser takes the end to be
        return
    spoken = Format.OPENMETRICS_1 if source.format.openmetrics else Format.TEXT
    if options.format.scheme is Escaping.UTF8:  # else names that need it are written otherwise than they came
        spoken = Format.OPENMETRICS_1_UTF8 if source.format.openmetrics else Format.TEXT_UTF8
    directly = prometheus.verdict(source.body, spoken.value, samples=True, lenient=True)
    if directly.error:
        return
    through = prometheus.verdict(result.body, options.format.value, samples=True)
    there, here = _numbered(directly.samples), _numbered(through.samples)
    more, less = here - there, there - here
    counted = result.sources[0].dropped
    for sample in [sample for sample in more if 'le="inf"' in sample[0]]:
        del more[sample]  # a histogram without its last bucket gets it
    # A sample whose time cannot be read comes without it; what Prometheus itself makes of such a time differs.
    timeless = Counter({sample: count for sample, count in more.items() if sample[2] is None})
    if (
        more != timeless
        or sum(timeless.values()) > counted.get(Fault.TIMESTAMP, 0)
        or sum(less.values()) > sum(number for why, number in counted.items() if why not in NO_SAMPLES)
    ):
        raise Refuted(
            "Prometheus stores the same through us, but for what is counted",
            f"more: {list(more)[:5]}, less: {list(less)[:5]}, counted: {dict(counted)}\n"
            f"{_shown(source.body)}became\n{_shown(result.body)}",
        )


def _numbered(samples: Counter[Stored]) -> Counter[Stored]:
    """Bounds and quantiles as numbers: Prometheus writes them anew behind some TYPE lines, also those of families that
    are not theirs, and not behind others. Times that a
    float cannot tell from their neighbours, as it has to in OpenMetrics, with what it can tell."""
    numbered = Counter[Stored]()
    for (labels, value, at), count in samples.items():
        if at is not None and abs(at) > 1 << 52:
            at = int(float(f"{at:.9e}"))
        numbered[_BOUND.sub(_number, labels), value, at] += count
    return numbered


def _number(found: re.Match[str]) -> str:
    try:
        return f'{found[1]}="{float(found[2]) + 0.0!r}"'  # one zero, as Prometheus writes it
    except ValueError:
        return found[0]


def _streamed(kernel: Kernel, case: Case) -> list[MergeResult]:
    return list(in_many_ways(kernel, *case))


def _try(do: Callable[Arguments, Result], *arguments: Arguments.args, **more: Arguments.kwargs) -> Result:
    try:
        return do(*arguments, **more)
    except Exception as exc:
        raise Refuted("no kernel raises", repr(exc)) from exc


def _same(claim: str, result: MergeResult, other: MergeResult) -> None:
    if other != result:
        raise Refuted(
            claim,
            f"{_shown(result.body)}{result.sources}\nbut\n{_shown(other.body)}{other.sources}",
        )


def _shown(body: bytes) -> str:
    return body[:3000].decode(errors="backslashreplace").rstrip("\n") + "\n"
