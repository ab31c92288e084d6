"""Writing one merged family in the format of the answer.

Formats are strict where sources are not: a bare sample of a histogram, in OpenMetrics a count that is not the last
bucket, a counter that went negative or a reserved name that another family uses would make the whole answer invalid.
Such a family is written as several of type `untyped` or `unknown`, one for each sample name, so that its samples are
kept and only its type is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from meshmeter.exposition.families import Role, Type, created_name, openmetrics_name
from meshmeter.exposition.lines import escape
from meshmeter.exposition.names import LEGACY_NAME
from meshmeter.exposition.samples import Metric, Samples
from meshmeter.exposition.series import LabelSet

_UNIT = re.compile(rb"[a-zA-Z0-9_:]+")


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a merged family beside its samples."""

    name: bytes
    type: Type
    help: bytes = b""
    unit: bytes = b""


def text(head: Head, samples: Samples, *, typed: bool = True) -> list[bytes]:
    """The family in text 0.0.4, as pieces; untyped if not `typed`. What text has no place for becomes gauges of its
    own: `_created`, and the three parts of a gauge histogram."""
    if head.type is Type.GAUGEHISTOGRAM:
        return list(_split(head, samples, b"gauge"))
    if not typed:
        return list(_split(head, samples, b"untyped"))
    type = head.type.in_text
    out = _metadata(head.name, head.help, b"untyped" if type is Type.UNKNOWN else type.value.encode(), b"")
    out += _plain(head.name, samples.plain)
    for labels, metric in samples.metrics.items():
        out += _metric(head, labels, metric, (Role.SUM, Role.COUNT))
    return out + list(_created(head, samples))


def openmetrics(head: Head, samples: Samples, *, typed: bool) -> list[bytes]:
    """The family in OpenMetrics 1.0.0, as pieces; unknown if not `typed`."""
    if not typed:
        return list(_split(head, samples, b"unknown"))
    name = openmetrics_name(head.name, head.type)
    unit = head.unit if _fits(head.unit, name, head.type) else b""
    out = _metadata(name, head.help, head.type.value.encode(), unit, quotes=True)
    if head.type is Type.STATESET:
        out += _plain(head.name, _grouped(head.name, samples.plain))
    elif samples.created:
        created = created_name(head.name, head.type)
        for labels, tail in samples.plain.items():
            out += (_start(head.name, labels), tail, b"\n")
            if dated := samples.created.get(labels):
                out += (_start(created, labels), dated, b"\n")
    else:
        out += _plain(head.name, samples.plain)
    for labels, metric in samples.metrics.items():
        out += _metric(head, labels, metric, (Role.SUM, Role.COUNT, Role.GSUM, Role.GCOUNT, Role.CREATED))
    return out


def _metadata(name: bytes, help: bytes, type: bytes, unit: bytes, *, quotes: bool = False) -> list[bytes]:
    written = name if LEGACY_NAME.fullmatch(name) else b'"%b"' % escape(name)
    out = []
    if help:
        text = escape(help) if quotes else help.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
        out.append(b"# HELP %b %b\n" % (written, text))
    out.append(b"# TYPE %b %b\n" % (written, type))
    if unit:
        out.append(b"# UNIT %b %b\n" % (written, unit))
    return out


def _plain(name: bytes, values: dict[LabelSet, bytes]) -> list[bytes]:
    out: list[bytes] = []
    if LEGACY_NAME.fullmatch(name):
        for labels, tail in values.items():
            out += (name, labels.braced, tail, b"\n")
    else:
        for labels, tail in values.items():
            out += (_start(name, labels), tail, b"\n")
    return out


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
    edges = list(_bare_edges(head, samples))
    quantiles, buckets = (edges, []) if head.type is Type.SUMMARY else ([], edges)
    for name, loose, edges in (
        (head.name, samples.plain, quantiles),
        (head.name + b"_bucket", samples.loose, buckets),
    ):
        if loose or edges:
            yield from _metadata(name, head.help, type, b"", quotes=quotes)
            yield from _plain(name, _bare(loose))
            yield from edges
    for role in (Role.SUM, Role.COUNT, Role.GSUM, Role.GCOUNT, Role.CREATED):
        parts = {s: m.parts[role] for s, m in samples.metrics.items() if role in m.parts}
        if parts:
            name = head.name + role.value.encode()
            yield from _metadata(name, head.help, type, b"", quotes=quotes)
            yield from _plain(name, parts)
    if samples.created:
        yield from _metadata(created_name(head.name, head.type), head.help, type, b"", quotes=quotes)
        yield from _plain(created_name(head.name, head.type), samples.created)


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
    dates = samples.created or {
        s: m.parts[Role.CREATED] for s, m in samples.metrics.items() if Role.CREATED in m.parts
    }
    if dates:
        yield from _metadata(created_name(head.name, head.type), head.help, b"gauge", b"")
        yield from _plain(created_name(head.name, head.type), dates)


def _open(name: bytes, labels: LabelSet) -> bytes:
    """A line up to where one more label goes."""
    if LEGACY_NAME.fullmatch(name):
        return name + (b"{%b," % labels.inner if labels.inner else b"{")
    return b'{"%b",' % escape(name) + (labels.inner + b"," if labels.inner else b"")


def _start(name: bytes, labels: LabelSet) -> bytes:
    """A line up to its value."""
    if LEGACY_NAME.fullmatch(name):
        return name + labels.braced
    return b'{"%b"%b} ' % (escape(name), b"," + labels.inner if labels.inner else b"")


def _grouped(name: bytes, values: dict[LabelSet, bytes]) -> dict[LabelSet, bytes]:
    """The samples of a stateset with all states of a metric beside each other."""
    groups: dict[object, list[LabelSet]] = {}
    for labels in values:
        groups.setdefault(frozenset(pair for pair in labels.labels if pair[0] != name), []).append(labels)
    return {labels: values[labels] for group in groups.values() for labels in group}


def _bare(values: dict[LabelSet, bytes]) -> dict[LabelSet, bytes]:
    return {labels: _without_exemplar(tail) for labels, tail in values.items()}


def _without_exemplar(tail: bytes) -> bytes:
    return tail.partition(b" #")[0]


def _fits(unit: bytes, name: bytes, type: Type) -> bool:
    """Whether OpenMetrics allows this unit for the family."""
    return (
        bool(_UNIT.fullmatch(unit)) and name.endswith(b"_" + unit) and type not in (Type.INFO, Type.STATESET)
    )
