"""The compiled merge kernel of meshmeter (used through `meshmeter.exposition.kernel`, not directly)."""

from meshmeter_native._kernel import CONTRACT, Merging

__all__ = ["CONTRACT", "Merging"]
