"""The samples of one family while it is merged, and the merging of split clusters.

A tail is what follows the labels on a line: the value, and a timestamp and an exemplar if there are any. A metric is
all samples of a composite family (histogram, summary, gauge histogram) that share their labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import TypeVar

from meshmeter.exposition import numbers
from meshmeter.exposition.families import Role, Type
from meshmeter.exposition.series import LabelSet

T = TypeVar("T")


@dataclass(slots=True)
class Metric:
    """One histogram, summary or gauge histogram."""

    edges: dict[float, tuple[bytes, bytes]] = field(default_factory=dict)
    """By bucket bound or quantile: its spelling and the tail."""
    parts: dict[Role, bytes] = field(default_factory=dict)
    """The tails of sum, count and created."""
    time: float | None = None
    """That of its first sample; None without one."""
    mixed: bool = False
    """Whether it has samples of other times, or with and without one."""
    followed: bool = False
    """Whether there are metrics with the same labels and other times."""

    def has(self, role: Role, edge: float | None) -> bool:
        """Whether such a sample is there."""
        return role in self.parts if edge is None else edge in self.edges

    def can_take(self, other: Metric) -> bool:
        """Whether the samples of another one, which has no times, can be added as they are."""
        return (
            self.time is None
            and not self.mixed
            and self.edges.keys().isdisjoint(other.edges)
            and self.parts.keys().isdisjoint(other.parts)
        )

    def __len__(self) -> int:
        return len(self.edges) + len(self.parts)


@dataclass(slots=True)
class Samples:
    """What one source, or several, have of one family."""

    plain: dict[LabelSet, bytes] = field(default_factory=dict)
    created: dict[LabelSet, bytes] = field(default_factory=dict)
    """Of a counter."""
    metrics: dict[LabelSet, Metric] = field(default_factory=dict)
    loose: dict[LabelSet, bytes] = field(default_factory=dict)
    """Of a composite family: buckets without a bound. What else its type does not promise is in `plain`."""
    exemplars: int = 0
    """How many tails have one."""
    several: bool = False
    """Whether a series has several samples, of different times."""

    def __len__(self) -> int:
        return len(self.plain) + len(self.created) + len(self.loose) + sum(map(len, self.metrics.values()))

    def add(self, others: Samples) -> int:
        """Take over what is not here yet. Returns how many samples were; `others` has the exemplars of the rest."""
        refused = 0
        for mine, theirs in (
            (self.plain, others.plain),
            (self.created, others.created),
            (self.loose, others.loose),
        ):
            for labels, tail in theirs.items():
                if not self.put(mine, labels.base, tail):
                    refused += 1
                    others.exemplars -= has_exemplar(tail)
        for labels, metric in others.metrics.items():
            if not self._put_metric(labels.base, metric):
                refused += len(metric)
                others.exemplars -= sum(has_exemplar(tail) for _, tail in metric.edges.values())
        return refused

    def take_values(self, found: dict[LabelSet, bytes]) -> bool:
        """Add samples without times; none, and False, if one of the series is there already."""
        if not self.plain:
            self.plain = found
        elif self.plain.keys().isdisjoint(found):
            self.plain.update(found)
        else:
            return False
        return True

    def take_metrics(self, found: dict[LabelSet, Metric]) -> bool:
        """Add samples without times; none, and False, if one of them is there already or has to do with times."""
        if not self.metrics:
            self.metrics = found
            return True
        both = [(self.metrics[labels], metric) for labels, metric in found.items() if labels in self.metrics]
        if not all(first.can_take(metric) for first, metric in both):
            return False
        for first, metric in both:
            first.edges.update(metric.edges)
            first.parts.update(metric.parts)
        for labels, metric in found.items():
            self.metrics.setdefault(labels, metric)
        return True

    def put(
        self, values: dict[LabelSet, bytes], labels: LabelSet, tail: bytes, *, apart: bool = True
    ) -> bool:
        """Add a sample to one of the dictionaries. False if the series is there already; it is not, where both samples
        have a time, and not the same one (if those are to be kept `apart`)."""
        known = values.get(labels)
        if known is None:
            values[labels] = tail
            return True
        time, first = time_of(tail), time_of(known)
        if not apart or time is None or first is None or time == first or labels.at(time) in values:
            return False
        values[labels.at(time)] = tail
        self.several = True
        return True

    def metric(
        self, labels: LabelSet, role: Role, edge: float | None, tail: bytes, *, apart: bool
    ) -> Metric | None:
        """Where a sample goes; None if it is there already. Samples with other times than the first one of the metric
        are metrics of their own (if `apart`), unless some of it have a time and others none."""
        first = self.metrics.get(labels)
        if first is None:
            first = self.metrics[labels] = Metric(time=time_of(tail))
            return first
        time, metric = time_of(tail), first
        if time != first.time:
            if apart and time is not None and first.time is not None and not first.mixed:
                metric = self.metrics.setdefault(labels.at(time), Metric(time=time))
                first.followed = self.several = True
            elif first.followed or first.has(role, edge):
                return None
            else:
                first.mixed = True
        return None if metric.has(role, edge) else metric

    def _put_metric(self, labels: LabelSet, metric: Metric) -> bool:
        first = self.metrics.get(labels)
        if first is None:
            self.metrics[labels] = metric
            return True
        # samples of two sources would not make one sound metric
        if None in (first.time, metric.time) or first.mixed or metric.mixed or first.time == metric.time:
            return False
        assert metric.time is not None
        if labels.at(metric.time) in self.metrics:
            return False
        self.metrics[labels.at(metric.time)] = metric
        first.followed = self.several = True
        return True

    def sort(self) -> None:
        """Put all samples of a series beside each other, in order of time."""
        if self.several:
            self.plain = _in_order(self.plain, time_of)
            self.created = _in_order(self.created, time_of)
            self.loose = _in_order(self.loose, time_of)
            self.metrics = _in_order(self.metrics, lambda metric: metric.time)

    def complete(self) -> list[int]:
        """Give histograms that say how many observations there were, but have no bucket for all of them, that bucket:
        the two are the same number, and Prometheus's own encoder (expfmt) writes it in their place. Nothing is added
        where the family cannot have its type all the same. Returns which metrics got one, by their places."""
        if self.plain or self.loose:
            return []
        open_ended = [(at, s, m) for at, (s, m) in enumerate(self.metrics.items()) if math.inf not in m.edges]
        if not all(Role.COUNT in metric.parts and not labels.has(b"le") for _, labels, metric in open_ended):
            return []
        for _, _, metric in open_ended:
            metric.edges[math.inf] = (b"+Inf", metric.parts[Role.COUNT])
        return [at for at, _, _ in open_ended]

    def reopen(self, closed: list[int]) -> None:
        """Take back what `complete` did."""
        metrics = list(self.metrics.values()) if closed else []
        for at in closed:
            del metrics[at].edges[math.inf]

    @property
    def open_ended(self) -> int:
        """How many buckets `complete` may add."""
        return sum(Role.COUNT in m.parts and math.inf not in m.edges for m in self.metrics.values())


def value(tail: bytes) -> bytes:
    """The value of a tail."""
    return tail.partition(b" ")[0]


def time_of(tail: bytes) -> float | None:
    """The time of a tail as the answer has it, in milliseconds or seconds; None without one."""
    time = tail.partition(b" #")[0].partition(b" ")[2]
    return float(time) if time else None


def _in_order(values: dict[LabelSet, T], time: Callable[[T], float | None]) -> dict[LabelSet, T]:
    groups: dict[LabelSet, list[LabelSet]] = {}
    for labels in values:
        groups.setdefault(labels.base, []).append(labels)
    for group in groups.values():
        if len(group) > 1:
            group.sort(key=lambda labels: time(values[labels]) or 0.0)
    return {labels: values[labels] for group in groups.values() for labels in group}


def has_exemplar(tail: bytes) -> bool:
    """Whether a tail ends in an exemplar."""
    return b" #" in tail


def merge_split(samples: Samples, type: Type) -> tuple[Samples, int]:
    """Samples of split clusters summed up under their service (kuma-facts 5.4), and how many quantiles that cost
    (deviations D18). Timestamps and exemplars of what is summed are lost."""
    merged = Samples(
        plain=_summed(samples.plain),
        created={s.target or s: tail for s, tail in samples.created.items()},
        loose=_summed(samples.loose),
        exemplars=samples.exemplars,
    )
    quantiles = 0
    for target, metrics in _by_target(samples.metrics).items():
        if len(metrics) > 1 and type is Type.SUMMARY:
            quantiles += sum(len(metric.edges) for metric in metrics)
        merged.metrics[target] = metrics[0] if len(metrics) == 1 else merge_metrics(metrics, type)
    return merged, quantiles


def _summed(values: Mapping[LabelSet, bytes]) -> dict[LabelSet, bytes]:
    return {
        target: tails[0] if len(tails) == 1 else numbers.total([*map(value, tails)])
        for target, tails in _by_target(values).items()
    }


def _by_target(found: Mapping[LabelSet, T]) -> dict[LabelSet, list[T]]:
    grouped: dict[LabelSet, list[T]] = {}
    for labels, item in found.items():
        grouped.setdefault(labels.target or labels, []).append(item)
    return grouped


def merge_metrics(metrics: Sequence[Metric], type: Type) -> Metric:
    """The sum of several metrics. Counts are cumulative, so a metric that lacks a bound of another one has at that
    bound what it has at its next lower one: buckets stay monotone."""
    merged = Metric()
    if type is not Type.SUMMARY:
        first = metrics[0].edges.keys()
        same = all(metric.edges.keys() == first for metric in metrics)
        merged.edges = _in_columns(metrics) if same else _in_steps(metrics)
    for role in (Role.SUM, Role.COUNT, Role.GSUM, Role.GCOUNT):
        if tails := [metric.parts[role] for metric in metrics if role in metric.parts]:
            merged.parts[role] = numbers.total([*map(value, tails)])
    return merged


def _in_columns(metrics: Sequence[Metric]) -> dict[float, tuple[bytes, bytes]]:
    """The summed edges of metrics that have the same bounds."""
    columns = [metric.edges for metric in metrics]
    return {
        bound: (columns[-1][bound][0], numbers.total([value(edges[bound][1]) for edges in columns]))
        for bound in sorted(columns[0])
    }


def _in_steps(metrics: Sequence[Metric]) -> dict[float, tuple[bytes, bytes]]:
    """The same for bounds of any kind, in one pass over all edges: at each bound only what steps there changes the sum,
    so that many clusters with bounds of their own cost no more than their edges."""
    steps = sorted((bound, n) for n, metric in enumerate(metrics) for bound in metric.edges)
    now, total, inexact = [b"0"] * len(metrics), 0, 0
    summed: dict[float, tuple[bytes, bytes]] = {}
    for bound, here in groupby(steps, key=itemgetter(0)):
        for _, n in here:
            spelled, tail = metrics[n].edges[bound]
            before, now[n] = numbers.exact(now[n]), value(tail)
            after = numbers.exact(now[n])
            total += (after or 0) - (before or 0)
            inexact += (after is None) - (before is None)
        summed[bound] = (spelled, numbers.total(now) if inexact else b"%d" % total)
    return summed
