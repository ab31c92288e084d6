"""The compiled merge kernel of meshmeter (used through `meshmeter.exposition.kernel`, not directly)."""

from meshmeter_native._kernel import CONTRACT, Parts, heads, merge

__all__ = ["CONTRACT", "Parts", "heads", "merge"]
