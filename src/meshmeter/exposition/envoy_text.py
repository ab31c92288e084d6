"""Envoy's own Prometheus text: split clusters summed, mesh traffic marked (kuma-facts 5.4, deviations D18).

Envoy writes one family after the other, without HELP, one sample a line, `le` and `quantile` as the last label. That
is relied on here, because the body may have many megabytes; a line of another shape is dropped and counted.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

OWN_CLUSTERS = frozenset(
    {
        b"ads_cluster",
        b"access_log_sink",
        b"system_ads",
        b"system_access_log_sink",
        b"kuma_envoy_admin",
        b"kuma_metrics_hijacker",
    }
)
"""Clusters that carry no traffic of the mesh."""

OWN_PREFIXES = frozenset({b"admin", b"kuma_envoy_admin", b"kuma_metrics_prometheus"})
"""HTTP connection managers that carry no traffic of the mesh."""

TRAFFIC = b'kuma_io_mesh_traffic="true"'

_SERIES = re.compile(
    rb'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\.)*"(?:,(?=[a-zA-Z_])|(?=$|\})))*)\})?'
)
_CLUSTER = re.compile(rb'(?:^|,)envoy_cluster_name="((?:[^"\\]|\\.)*)"')
_PREFIX = re.compile(rb'(?:^|,)envoy_http_conn_manager_prefix="((?:[^"\\]|\\.)*)"')
_SPLIT = re.compile(rb"(.*)-[0-9a-fA-F]{16}", re.DOTALL)
_LAST = re.compile(rb'(?:^|,)(le|quantile)="([^"]*)"$')


def base_of(cluster: bytes) -> bytes | None:
    """`backend` for `backend-0123456789abcdef`, None for a cluster that is not split."""
    match = _SPLIT.fullmatch(cluster)
    return match[1] if match else None


@dataclass(slots=True)
class EnvoyFamily:
    """One family, ready to be written."""

    name: bytes
    type: bytes
    lines: list[bytes] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    """Name and labels of each line, for telling equal series."""


@dataclass(slots=True)
class _Row:
    name: bytes
    labels: bytes
    """Without `le` or `quantile`, with the traffic mark."""
    last: bytes
    """`le` or `quantile`, or empty."""
    last_value: bytes
    values: list[bytes]
    is_split: bool


def read_envoy(body: bytes, dropped: Counter[str]) -> Iterator[EnvoyFamily]:
    """The families of Envoy's body, treated; a family that appears in two places is joined."""
    groups: dict[bytes, tuple[bytes, list[bytes]]] = {}
    lines: list[bytes] = []
    for line in body.split(b"\n"):
        if line.startswith(b"# TYPE "):
            name, _, kind = line[7:].strip().partition(b" ")
            lines = groups.setdefault(name, (kind.strip(), []))[1]
        elif line and not line.startswith(b"#"):
            if not groups:
                lines = groups.setdefault(line.partition(b"{")[0].partition(b" ")[0], (b"untyped", []))[1]
            lines.append(line)
    for name, (kind, rows) in groups.items():
        yield _family(name, kind, rows, dropped)


def _family(name: bytes, kind: bytes, lines: list[bytes], dropped: Counter[str]) -> EnvoyFamily:
    family = EnvoyFamily(name, kind)
    rows: dict[tuple[bytes, bytes, bytes], _Row] = {}
    merged = False
    for line in lines:
        series, space, value = line.rstrip(b" \r").rpartition(b" ")
        match = _SERIES.fullmatch(series)
        if not space or match is None or not _is_float(value):
            dropped["bad_line"] += 1
            continue
        row = _row(match[1], match[2] or b"", value)
        key = (row.name, row.labels, row.last_value)
        there = rows.get(key)
        if there is None:
            rows[key] = row
        elif there.is_split or row.is_split:
            there.values.append(value)
            there.is_split = merged = True
        else:
            dropped["duplicate_series"] += 1
    found = list(rows.values())
    if merged:
        found = _summed(found, dropped)
    for row in found:
        key_text = _series(row)
        family.keys.append(key_text)
        family.lines.append(key_text + b" " + (row.values[0] if len(row.values) == 1 else _sum(row.values)))
    return family


def _row(name: bytes, labels: bytes, value: bytes) -> _Row:
    last = _LAST.search(labels)
    last_name, last_value = (last[1], last[2]) if last else (b"", b"")
    if last:
        labels = labels[: last.start()]
    is_split = False
    marked = False
    cluster = _CLUSTER.search(labels)
    if cluster is not None:
        base = base_of(cluster[1])
        if base is not None:
            is_split = True
            labels = labels[: cluster.start(1)] + base + labels[cluster.end(1) :]
        marked = (base if base is not None else cluster[1]) not in OWN_CLUSTERS
    else:
        prefix = _PREFIX.search(labels)
        marked = prefix is not None and prefix[1] not in OWN_PREFIXES
    if marked:
        labels = labels + b"," + TRAFFIC if labels else TRAFFIC
    return _Row(name, labels, last_name, last_value, [value], is_split)


def _summed(rows: list[_Row], dropped: Counter[str]) -> list[_Row]:
    """Rows of a family in which clusters were merged: quantiles dropped, buckets of a histogram put in order."""
    merged_labels = {row.labels for row in rows if len(row.values) > 1}
    kept: list[_Row] = []
    buckets: dict[tuple[bytes, bytes], list[_Row]] = {}
    for row in rows:
        if row.labels not in merged_labels:
            kept.append(row)
        elif row.last == b"quantile":
            # The sum of two quantiles is no quantile of anything (D18).
            dropped["merged_quantile"] += len(row.values)
        elif row.last == b"le":
            group = buckets.setdefault((row.name, row.labels), [])
            if not group:
                kept.append(row)  # its place, filled below
            group.append(row)
        else:
            kept.append(row)
    placed: list[_Row] = []
    for row in kept:
        group = buckets.get((row.name, row.labels), []) if row.last == b"le" else []
        if group:
            placed += sorted(group, key=lambda r: float(r.last_value))
        else:
            placed.append(row)
    return placed


def _series(row: _Row) -> bytes:
    labels = row.labels
    if row.last:
        last = row.last + b'="' + row.last_value + b'"'
        labels = labels + b"," + last if labels else last
    return row.name + b"{" + labels + b"}"


def _sum(values: list[bytes]) -> bytes:
    total = math.fsum(map(float, values))
    return b"%d" % total if total.is_integer() and abs(total) < 1e15 else repr(total).encode()


def _is_float(value: bytes) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return b"_" not in value
