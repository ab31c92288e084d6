"""Bodies in pieces, and the answers to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from meshmeter.exposition.kernel import Kernel
from meshmeter.exposition.merge import DEFAULT_LIMITS, Limits, MergeResult, Options, Source


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
    limits: Limits = DEFAULT_LIMITS,
) -> MergeResult:
    """The answer to Envoy's body in pieces."""
    merging = kernel.begin(options, limits)
    sent = [part for piece in pieces for part in merging.feed(memoryview(piece))]
    result = merging.finish(sources, whole=whole)
    return replace(result, pieces=[*sent, *result.pieces])


def in_many_ways(
    kernel: Kernel, sources: Sequence[Source], options: Options, places: Sequence[int] = ()
) -> Iterator[MergeResult]:
    """The answers where the first source, which is Envoy's, arrives in pieces of several sizes, and cut at these
    places if there are any."""
    first, *others = sources
    body = first.body
    sizes = sorted({max(len(body) // 60, 1), 1000, 4096 + len(body) % 61, 1 << 20})
    ways = [[body[at : at + size] for at in range(0, len(body), size)] for size in sizes]
    if places:
        ways.append(cut(body, places))
    for pieces in ways:
        result = streamed(kernel, pieces or [b""], others, options, limits=first.limits)
        yield replace(result, sources=(replace(result.sources[0], name=first.name), *result.sources[1:]))


def is_fed(sources: Sequence[Source]) -> bool:
    """Whether the first source can arrive in pieces: Envoy's body is text without a label."""
    return (
        bool(sources) and sources[0].envoy and sources[0].label is None and not sources[0].format.openmetrics
    )
