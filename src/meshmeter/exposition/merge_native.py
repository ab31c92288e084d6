"""The compiled kernel: `native/` behind the merge contract. Importing it raises ImportError where it is not installed.

The same bytes and the same counts as `merge_python`, many times faster, and other threads run meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence

import meshmeter_native

from meshmeter.exposition.lines import escape
from meshmeter.exposition.merge import (
    DEFAULT_LIMITS,
    ENVOY,
    Limits,
    MergeResult,
    Merging,
    Options,
    Problem,
    Source,
    SourceStats,
)

_Limits = tuple[int | None, int | None, int | None, int | None]
_Stats = tuple[int, list[tuple[str, int]], list[tuple[str, int, bytes, bytes]]]


CONTRACT = 6
"""The version of the compiled module's interface that is known here."""

if meshmeter_native.CONTRACT != CONTRACT:
    raise ImportError(
        f"meshmeter-native has interface {meshmeter_native.CONTRACT}, not {CONTRACT}: make native"
    )


def begin(options: Options, limits: Limits = DEFAULT_LIMITS) -> Merging:
    """Begin an answer (contract: `exposition.merge`)."""
    return _Merging(options, limits)


class _Merging:
    def __init__(self, options: Options, limits: Limits):
        self._merging = meshmeter_native.Merging(
            _limits(limits),
            openmetrics=options.format.openmetrics,
            escaping=options.format.escaping.value,
            merge_clusters=options.merge_clusters,
            total_bytes=options.total_bytes,
            seconds=options.seconds,
        )

    def feed(self, piece: bytes | memoryview) -> Sequence[bytes]:
        return self._merging.feed(piece if isinstance(piece, bytes) else bytes(piece))

    def finish(self, sources: Sequence[Source], *, whole: bool = True) -> MergeResult:
        pieces, stats = self._merging.finish([_source(source) for source in sources], whole)
        names = [source.name for source in sources]
        if len(stats) > len(names):  # something was fed
            names.insert(0, ENVOY)
        return MergeResult(pieces, tuple(map(_stats, names, stats)))


def _source(source: Source) -> tuple[bytes, bool, bool, tuple[bytes, bytes] | None, _Limits]:
    label = None if source.label is None else (source.label.encode(), escape(source.name.encode()))
    return source.body, source.format.openmetrics, source.envoy, label, _limits(source.limits)


def _limits(limits: Limits) -> _Limits:
    return limits.samples, limits.labels, limits.label_name_bytes, limits.label_value_bytes


def _stats(name: str, stats: _Stats) -> SourceStats:
    samples, dropped, problems = stats
    return SourceStats(name, samples, dict(dropped), tuple(Problem.of(*problem) for problem in problems))
