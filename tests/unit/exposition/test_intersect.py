"""What matches two filters."""

from __future__ import annotations

from meshmeter.exposition.intersect import intersect


def test_intersect() -> None:
    one = b'# TYPE a counter\na{x="1"} 1\na{x="2 3"} 2\n# TYPE b gauge\nb 3\n'
    other = b'# TYPE a counter\na{x="2 3"} 5\nc 1\nb 4'
    assert intersect(one, other) == b'# TYPE a counter\na{x="2 3"} 2\n# TYPE b gauge\nb 3\n'
    assert intersect(one, b"") == b"# TYPE a counter\n# TYPE b gauge\n"
    assert intersect(b"", one) == b""
