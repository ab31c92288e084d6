"""Merging by every kernel there is, in one piece and in many: they must agree, and what they answer has to be valid."""

from __future__ import annotations

from collections.abc import Sequence

from meshmeter.exposition.kernel import PYTHON, choose
from meshmeter.exposition.merge import MergeResult, Options, Source
from support.judge import judged
from support.pieces import in_many_ways, is_fed

FASTEST = choose()


def merge(sources: Sequence[Source], options: Options) -> MergeResult:
    """The answer of the Python kernel, which is that of the compiled one where it is built."""
    result = PYTHON.merge(sources, options)
    assert FASTEST.merge(sources, options) == result
    if is_fed(sources):
        for kernel in (PYTHON, FASTEST):
            assert all(streamed == result for streamed in in_many_ways(kernel, sources, options))
    judged(result.pieces, options.format)
    return result
