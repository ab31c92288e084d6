"""The encoder: one merged family written in the format of the answer.

Formats are strict where sources are not: a bare sample of a histogram, in OpenMetrics a count that is not the last
bucket, a counter that went negative or a reserved name that another family uses would make the whole answer invalid.
Such a family is written as several of type `untyped` or `unknown`, one for each sample name, so that its samples are
kept and only its type is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from meshmeter.exposition.families import Role, Type, created_name, openmetrics_name
from meshmeter.exposition.lines import escape
from meshmeter.exposition.names import LEGACY_NAME
from meshmeter.exposition.samples import Metric, Samples
from meshmeter.exposition.series import LabelSet

_UNIT = re.compile(rb"[a-zA-Z0-9_:]+")
_AT_ONCE = 512
"""Samples that are written as one piece."""


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a merged family beside its samples."""

    name: bytes
    type: Type
    help: bytes = b""
    unit: bytes = b""


def text(head: Head, samples: Samples, *, typed: bool = True) -> Iterator[bytes]:
    """The family in text 0.0.4, in pieces; untyped if not `typed`. What text has no place for becomes gauges of its
    own: `_created`, and the three parts of a gauge histogram."""
    if head.type is Type.GAUGEHISTOGRAM:
        yield from _split(head, samples, b"gauge")
    elif not typed:
        yield from _split(head, samples, b"untyped")
    else:
        type = head.type.in_text
        yield _metadata(
            head.name, head.help, b"untyped" if type is Type.UNKNOWN else type.value.encode(), b""
        )
        yield from _plain(head.name, samples.plain.items())
        yield from _metrics(head, samples, (Role.SUM, Role.COUNT))
        yield from _created(head, samples)


def openmetrics(head: Head, samples: Samples, *, typed: bool) -> Iterator[bytes]:
    """The family in OpenMetrics 1.0.0, in pieces; unknown if not `typed`."""
    if not typed:
        yield from _split(head, samples, b"unknown")
        return
    name = openmetrics_name(head.name, head.type)
    unit = head.unit if _fits(head.unit, name, head.type) else b""
    yield _metadata(name, head.help, head.type.value.encode(), unit, quotes=True)
    if head.type is Type.STATESET:
        yield from _plain(head.name, _grouped(head.name, samples.plain))
    elif samples.created:
        yield from _joined(_dated(head, samples))
    else:
        yield from _plain(head.name, samples.plain.items())
    yield from _metrics(head, samples, (Role.SUM, Role.COUNT, Role.GSUM, Role.GCOUNT, Role.CREATED))


def _dated(head: Head, samples: Samples) -> Iterator[bytes]:
    """The samples of a counter, each with its date behind it."""
    created = created_name(head.name, head.type)
    for labels, tail in samples.plain.items():
        yield b"%b%b\n" % (_start(head.name, labels), tail)
        if dated := samples.created.get(labels):
            yield b"%b%b\n" % (_start(created, labels), dated)


def _metadata(name: bytes, help: bytes, type: bytes, unit: bytes, *, quotes: bool = False) -> bytes:
    written = name if LEGACY_NAME.fullmatch(name) else b'"%b"' % escape(name)
    out = b""
    if help:
        text = escape(help) if quotes else help.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
        out += b"# HELP %b %b\n" % (written, text)
    out += b"# TYPE %b %b\n" % (written, type)
    if unit:
        out += b"# UNIT %b %b\n" % (written, unit)
    return out


def _joined(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines in larger pieces: as objects of their own they would take more memory than what is in them."""
    rest = iter(lines)
    while piece := b"".join(islice(rest, _AT_ONCE)):
        yield piece


def _plain(name: bytes, values: Iterable[tuple[LabelSet, bytes]]) -> Iterator[bytes]:
    if not LEGACY_NAME.fullmatch(name):
        yield from _joined(b"%b%b\n" % (_start(name, labels), tail) for labels, tail in values)
        return
    rest, start = iter(values), name + b"{"
    while True:
        out: list[bytes] = []
        for labels, tail in islice(rest, _AT_ONCE):
            if inner := labels.inner:
                out += (start, inner, b"} ", tail, b"\n")
            else:
                out += (name, b" ", tail, b"\n")
        if not out:
            return
        yield b"".join(out)


def _metrics(head: Head, samples: Samples, roles: tuple[Role, ...]) -> Iterator[bytes]:
    metrics = samples.metrics.items()
    return _joined(chain.from_iterable(_metric(head, labels, metric, roles) for labels, metric in metrics))


def _metric(head: Head, labels: LabelSet, metric: Metric, roles: tuple[Role, ...]) -> Iterator[bytes]:
    """The lines of one metric: buckets or quantiles in order, then its parts in the order of `roles`."""
    name = head.name
    if edges := metric.edges:
        summary = head.type is Type.SUMMARY
        start = _open(name if summary else name + b"_bucket", labels) + (
            b'quantile="' if summary else b'le="'
        )
        bounds = list(edges)
        ordered = sorted(bounds)
        for spelled, tail in edges.values() if bounds == ordered else [edges[b] for b in ordered]:
            yield b'%b%b"} %b\n' % (start, spelled, tail)
    for role in roles:
        if tail := metric.parts.get(role, b""):
            yield b"%b%b\n" % (_start(name + role.value.encode(), labels), tail)


def _split(head: Head, samples: Samples, type: bytes) -> Iterator[bytes]:
    """One family for each sample name."""
    quotes = type == b"unknown"
    edged = any(metric.edges for metric in samples.metrics.values())
    summary = head.type is Type.SUMMARY
    for name, loose, edges in (
        (head.name, samples.plain, edged and summary),
        (head.name + b"_bucket", samples.loose, edged and not summary),
    ):
        if loose or edges:
            yield _metadata(name, head.help, type, b"", quotes=quotes)
            yield from _plain(name, ((labels, _without_exemplar(tail)) for labels, tail in loose.items()))
            if edges:
                yield from _joined(_bare_edges(head, samples))
    for role in (Role.SUM, Role.COUNT, Role.GSUM, Role.GCOUNT, Role.CREATED):
        yield from _part(head, samples, role, type, quotes=quotes)
    if samples.created:
        yield from _family_of_dates(head, samples, type, quotes=quotes)


def _part(head: Head, samples: Samples, role: Role, type: bytes, *, quotes: bool = False) -> Iterator[bytes]:
    """One part of all metrics as a family of its own."""
    tails = (
        (labels, metric.parts[role]) for labels, metric in samples.metrics.items() if role in metric.parts
    )
    if first := next(tails, None):
        name = head.name + role.value.encode()
        yield _metadata(name, head.help, type, b"", quotes=quotes)
        yield from _plain(name, chain([first], tails))


def _family_of_dates(head: Head, samples: Samples, type: bytes, *, quotes: bool = False) -> Iterator[bytes]:
    name = created_name(head.name, head.type)
    yield _metadata(name, head.help, type, b"", quotes=quotes)
    yield from _plain(name, samples.created.items())


def _bare_edges(head: Head, samples: Samples) -> Iterator[bytes]:
    """Buckets or quantiles without exemplars; those of one series beside each other."""
    by_base: dict[LabelSet, list[Metric]] = {}
    if samples.several:
        for labels, metric in samples.metrics.items():
            by_base.setdefault(labels.base, []).append(metric)
    for labels, metrics in by_base.items():
        for bound in sorted({bound for metric in metrics for bound in metric.edges}):
            for metric in metrics:
                if edge := metric.edges.get(bound):
                    yield from _metric(
                        head, labels, Metric({bound: (edge[0], _without_exemplar(edge[1]))}), ()
                    )
    for labels, metric in () if samples.several else samples.metrics.items():
        edges = {bound: (spelled, _without_exemplar(tail)) for bound, (spelled, tail) in metric.edges.items()}
        yield from _metric(head, labels, Metric(edges), ())


def _created(head: Head, samples: Samples) -> Iterator[bytes]:
    """The dates of a text family as a gauge family of their own."""
    if samples.created:
        yield from _family_of_dates(head, samples, b"gauge")
    else:
        yield from _part(head, samples, Role.CREATED, b"gauge")


def _open(name: bytes, labels: LabelSet) -> bytes:
    """A line up to where one more label goes."""
    if LEGACY_NAME.fullmatch(name):
        return name + (b"{%b," % labels.inner if labels.inner else b"{")
    return b'{"%b",' % escape(name) + (labels.inner + b"," if labels.inner else b"")


def _start(name: bytes, labels: LabelSet) -> bytes:
    """A line up to its value."""
    if LEGACY_NAME.fullmatch(name):
        return name + (b"{%b} " % labels.inner if labels.inner else b" ")
    return b'{"%b"%b} ' % (escape(name), b"," + labels.inner if labels.inner else b"")


def _grouped(name: bytes, values: dict[LabelSet, bytes]) -> Iterator[tuple[LabelSet, bytes]]:
    """The samples of a stateset with all states of a metric beside each other."""
    groups: dict[object, list[LabelSet]] = {}
    for labels in values:
        groups.setdefault(frozenset(pair for pair in labels.labels if pair[0] != name), []).append(labels)
    return ((labels, values[labels]) for group in groups.values() for labels in group)


def _without_exemplar(tail: bytes) -> bytes:
    return tail.partition(b" #")[0]


def _fits(unit: bytes, name: bytes, type: Type) -> bool:
    """Whether OpenMetrics allows this unit for the family."""
    return (
        bool(_UNIT.fullmatch(unit)) and name.endswith(b"_" + unit) and type not in (Type.INFO, Type.STATESET)
    )
