"""What the formats demand of the samples of a type, beyond their form.

Text: that a family has no others, and that a histogram counts up to +Inf. OpenMetrics demands more of most types
(OpenMetrics 1.0.0, metric types), and its parsers refuse a whole answer that does not have it. Prometheus's own is
lenient, prometheus_client's and those made from it are not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from meshmeter.exposition import numbers
from meshmeter.exposition.families import Role, Type
from meshmeter.exposition.samples import Metric, Samples, value


def sound(name: bytes, type: Type, samples: Samples, *, openmetrics: bool) -> bool:
    """True if the samples may be written under their type."""
    if not openmetrics and type is Type.GAUGEHISTOGRAM:
        return True  # it is none there
    if type.composite and (samples.plain or samples.loose):
        return False
    if not openmetrics:
        return type is not Type.HISTOGRAM or all(
            math.inf in metric.edges for metric in samples.metrics.values()
        )
    if samples.several and (type.composite or samples.created):
        return (
            False  # prometheus_client takes the second sample of a later time for one that is there already
        )
    match type:
        case Type.COUNTER:
            return (
                all(_is_total(value(tail)) for tail in samples.plain.values())
                and samples.created.keys() <= samples.plain.keys()
                and all(
                    _timestamp(tail) == _timestamp(samples.plain[labels])
                    for labels, tail in samples.created.items()
                )
            )
        case Type.INFO:
            return all(numbers.parse(tail) == 1 for tail in samples.plain.values())
        case Type.STATESET:
            return all(
                numbers.parse(tail) in (0, 1) and any(label == name for label, _ in labels.labels)
                for labels, tail in samples.plain.items()
            )
        case Type.HISTOGRAM:
            return all(map(_sound_histogram, samples.metrics.values()))
        case Type.GAUGEHISTOGRAM:
            return all(map(_sound_gaugehistogram, samples.metrics.values()))
        case Type.SUMMARY:
            return all(map(_sound_summary, samples.metrics.values()))
    return True


def _sound_histogram(metric: Metric) -> bool:
    return (
        _sound_buckets(metric, Role.COUNT, Role.SUM)
        and (Role.SUM not in metric.parts or _is_total(value(metric.parts[Role.SUM])))
        and (Role.SUM not in metric.parts or min(metric.edges) >= 0)
    )


def _sound_gaugehistogram(metric: Metric) -> bool:
    if not _sound_buckets(metric, Role.GCOUNT, Role.GSUM):
        return False
    if Role.GSUM not in metric.parts:
        return True
    total = numbers.parse(value(metric.parts[Role.GSUM])) or 0.0
    return not math.isnan(total) and (total >= 0 or min(metric.edges) < 0)


def _sound_buckets(metric: Metric, count: Role, total: Role) -> bool:
    """Cumulative whole numbers up to +Inf, which is the count; count and sum both there or both not."""
    if math.inf not in metric.edges or (count in metric.parts) != (total in metric.parts):
        return False
    before = 0.0
    for bound in sorted(metric.edges):
        number = numbers.parse(value(metric.edges[bound][1]))
        if number is None or not number.is_integer() or number < before:
            return False
        before = number
    if count in metric.parts and numbers.parse(value(metric.parts[count])) != before:
        return False
    return _same_time(metric)


def _sound_summary(metric: Metric) -> bool:
    for _, tail in metric.edges.values():
        if (numbers.parse(value(tail)) or 0.0) < 0:
            return False
    if Role.COUNT in metric.parts:
        number = numbers.parse(value(metric.parts[Role.COUNT]))
        if number is None or not number.is_integer() or number < 0:
            return False
    if Role.SUM in metric.parts and not _is_total(value(metric.parts[Role.SUM])):
        return False
    return _same_time(metric)


def _is_total(text: bytes) -> bool:
    """A number that may only grow from zero."""
    if text.isdigit():
        return True
    number = numbers.parse(text)
    return number is not None and number >= 0


def _same_time(metric: Metric) -> bool:
    return _all_equal(
        _timestamp(tail) for tail in (*(edge[1] for edge in metric.edges.values()), *metric.parts.values())
    )


def _timestamp(tail: bytes) -> bytes:
    return tail.partition(b" #")[0].partition(b" ")[2]


def _all_equal(items: Iterable[bytes]) -> bool:
    return len(set(items)) <= 1
