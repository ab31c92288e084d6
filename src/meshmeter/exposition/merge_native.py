"""The compiled kernel: `native/` behind the merge contract. Importing it raises ImportError where it is not installed.

The same bytes and the same counts as `merge_python`, many times faster, and other threads run meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence

import meshmeter_native

from meshmeter.exposition.lines import escape
from meshmeter.exposition.merge import MergeResult, Options, Problem, Source, SourceStats

CONTRACT = 3
"""The version of the compiled module's interface that is known here."""

if meshmeter_native.CONTRACT != CONTRACT:
    raise ImportError(
        f"meshmeter-native has interface {meshmeter_native.CONTRACT}, not {CONTRACT}: make native"
    )


def merge(sources: Sequence[Source], options: Options) -> MergeResult:
    """One valid body from those of the sources (contract: `exposition.merge`). Never raises for anything in a body."""
    pieces, stats = meshmeter_native.merge(
        [
            (
                source.body,
                source.format.openmetrics,
                source.envoy,
                None if source.label is None else (source.label.encode(), escape(source.name.encode())),
                (
                    source.limits.samples,
                    source.limits.labels,
                    source.limits.label_name_bytes,
                    source.limits.label_value_bytes,
                ),
            )
            for source in sources
        ],
        openmetrics=options.format.openmetrics,
        escaping=options.format.escaping.value,
        merge_clusters=options.merge_clusters,
        total_bytes=options.total_bytes,
    )
    return MergeResult(
        pieces,
        tuple(
            SourceStats(
                source.name,
                samples,
                dict(dropped),
                tuple(
                    Problem(reason, line, family.decode(errors="replace"))
                    for reason, line, family in problems
                ),
            )
            for source, (samples, dropped, problems) in zip(sources, stats, strict=True)
        ),
    )


def heads(body: bytes) -> list[int]:
    """Where lines that begin with `# TYPE ` are."""
    return meshmeter_native.heads(body)
