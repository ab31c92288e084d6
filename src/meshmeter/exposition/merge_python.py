"""The readable merge kernel; the rules are in `merge`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from meshmeter.exposition.envoy_text import read_envoy
from meshmeter.exposition.lines import Family, Label, Sample, is_plain, read
from meshmeter.exposition.merge import RESERVED, MergeOptions, MergeResult, SourceBody

_NOT_IN_NAMES = re.compile(rb"[^a-zA-Z0-9_:]")
_NOT_IN_LABELS = re.compile(rb"[^a-zA-Z0-9_]")


@dataclass(slots=True)
class _Group:
    """One family of the output."""

    type: bytes
    owner: str
    help: bytes | None = None
    lines: list[bytes] = field(default_factory=list)


def merge_bodies(sources: Sequence[SourceBody], options: MergeOptions) -> MergeResult:
    """See `merge.merge`."""
    groups: dict[bytes, _Group] = {}
    seen: set[tuple[bytes, tuple[Label, ...]] | bytes] = set()
    samples = {source.name: 0 for source in sources}
    dropped: dict[str, Counter[str]] = {source.name: Counter() for source in sources}
    for source in sources:
        if source.is_envoy:
            samples[source.name] += _add_envoy(source, groups, seen, dropped[source.name])
        else:
            samples[source.name] += _add_application(source, options, groups, seen, dropped[source.name])
    parts: list[bytes] = []
    for name, group in groups.items():
        if not group.lines:
            continue
        if group.help is not None:
            parts.append(b"# HELP " + name + b" " + group.help)
        parts.append(b"# TYPE " + name + b" " + group.type)
        parts += group.lines
    return MergeResult(b"\n".join(parts) + b"\n" if parts else b"", samples, dropped)


def _add_envoy(
    source: SourceBody,
    groups: dict[bytes, _Group],
    seen: set[tuple[bytes, tuple[Label, ...]] | bytes],
    dropped: Counter[str],
) -> int:
    count = 0
    for family in read_envoy(source.body, dropped):
        group = groups.setdefault(family.name, _Group(family.type, source.name))
        group.lines += family.lines
        count += len(family.lines)
    return count


def _add_application(
    source: SourceBody,
    options: MergeOptions,
    groups: dict[bytes, _Group],
    seen: set[tuple[bytes, tuple[Label, ...]] | bytes],
    dropped: Counter[str],
) -> int:
    count = 0
    for family in _text_families(source, dropped):
        if family.name.startswith(RESERVED):
            dropped["reserved_name"] += len(family.samples)
            continue
        group = groups.setdefault(family.name, _Group(family.type, source.name, family.help))
        if group.type != family.type:
            dropped["type_conflict"] += len(family.samples)
            continue
        if group.help is None:
            group.help = family.help
        for sample in family.samples:
            labels = _labels(sample.labels, source.name, options, dropped)
            if labels is None:
                continue
            key = (sample.name, tuple(sorted(labels)))
            if key in seen:
                dropped["duplicate_series"] += 1
                continue
            if options.max_samples is not None and count >= options.max_samples:
                dropped["sample_limit"] += 1
                continue
            seen.add(key)
            group.lines.append(_line(sample, labels))
            count += 1
    return count


def _text_families(source: SourceBody, dropped: Counter[str]) -> Iterator[Family]:
    """The families of a body as text 0.0.4 has them: names of the classic character set, types it knows."""
    openmetrics = source.format.is_openmetrics
    for family in read(source.body, openmetrics=openmetrics, bad=dropped):
        for converted in _from_openmetrics(family) if openmetrics else (family,):
            if not is_plain(converted.name):
                name = _classic(converted.name)
                for sample in converted.samples:
                    sample.name = name + sample.name[len(converted.name) :]
                converted.name = name
            yield converted


def _from_openmetrics(family: Family) -> Iterator[Family]:
    """OpenMetrics names a counter without `_total` and has types that text lacks: those become gauges, and creation
    times gauges of their own."""
    by_name: dict[bytes, Family] = {}
    text_type = {b"info": b"gauge", b"stateset": b"gauge", b"gaugehistogram": b"gauge"}.get(
        family.type, family.type
    )
    for sample in family.samples:
        suffix = sample.name[len(family.name) :]
        if suffix == b"_created" and family.type in (b"counter", b"histogram", b"summary"):
            name, kind = sample.name, b"gauge"
        elif family.type in (b"counter", b"info", b"gaugehistogram"):
            name, kind = sample.name, text_type
        else:
            name, kind = family.name, text_type
        help_ = family.help.replace(b'\\"', b'"') if family.help is not None else None
        by_name.setdefault(name, Family(name, kind, help_)).samples.append(sample)
    yield from by_name.values()


def _labels(
    labels: tuple[Label, ...], source: str, options: MergeOptions, dropped: Counter[str]
) -> tuple[Label, ...] | None:
    """The labels to write, or None if the sample cannot be written."""
    if len(labels) > options.max_labels:
        dropped["label_limit"] += 1
        return None
    for name, value in labels:
        if len(name) > options.max_label_length or len(value) > options.max_label_length:
            dropped["label_length_limit"] += 1
            return None
    written = tuple((_NOT_IN_LABELS.sub(b"_", name), value) for name, value in labels)
    if options.application_label is not None:
        own = options.application_label.encode()
        # As Prometheus does with a label that it sets itself.
        written = tuple((b"exported_" + n if n == own else n, v) for n, v in written)
        written = (*written, (own, _escape(source.encode())))
    if len({name for name, _value in written}) != len(written):
        dropped["bad_labels"] += 1
        return None
    return written


def _line(sample: Sample, labels: tuple[Label, ...]) -> bytes:
    block = b"{" + b",".join(name + b'="' + value + b'"' for name, value in labels) + b"}" if labels else b""
    line = sample.name + block + b" " + sample.value
    return line + b" " + sample.time if sample.time else line


def _classic(name: bytes) -> bytes:
    plain = _NOT_IN_NAMES.sub(b"_", name)
    return b"_" + plain if plain[:1].isdigit() else plain


def _escape(value: bytes) -> bytes:
    return value.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
