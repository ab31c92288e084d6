"""The contract's defaults are safe."""

from __future__ import annotations

from meshmeter.exposition.formats import Format
from meshmeter.exposition.merge import Limits, Options, Source


def test_defaults() -> None:
    assert Source("a", b"").limits == Limits(samples=None)
    assert Limits().labels is not None and Limits().label_value_bytes is not None
    assert Options().format is Format.TEXT
    assert Options().merge_clusters and Options().total_bytes is not None
