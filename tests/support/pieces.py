"""Bodies in pieces, and the answers to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from meshmeter.exposition.kernel import Kernel
from meshmeter.exposition.merge import MergeResult, Options, Source


def cut(body: bytes, places: Sequence[int]) -> list[bytes]:
    """The body, cut at these places; those beyond its end begin anew."""
    ends = sorted({place % (len(body) + 1) for place in places} | {len(body)})
    return [body[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def streamed(
    kernel: Kernel,
    pieces: Sequence[bytes],
    sources: Sequence[Source],
    options: Options,
    *,
    whole: bool = True,
) -> MergeResult:
    """The answer to Envoy's body in pieces."""
    merging = kernel.begin(options)
    sent = [part for piece in pieces for part in merging.feed(memoryview(piece))]
    result = merging.finish(sources, whole=whole)
    return replace(result, pieces=[*sent, *result.pieces])
