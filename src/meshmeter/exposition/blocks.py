"""Blocks: a body of Envoy, cut into its families while it arrives.

A block begins with the comment lines that stand together with a `# TYPE` line, and ends where the next one begins.
What the blocks are depends on the body alone, not on the pieces in which it comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

HEAD = b"# TYPE "
_HEAD = b"\n" + HEAD


class Blocks:
    """Feed it the body in pieces of any size; each time it gives the blocks that are whole."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._seen = 0
        """Bytes of `_held` in which every head was found."""
        self._head = 0
        """Where the last head in `_held` is; 0 if there is none but perhaps at its beginning."""

    def feed(self, piece: bytes | memoryview) -> list[bytes]:
        """Take some more of the body. The first block is what stands before the first head, if anything does."""
        held = self._held
        held += piece
        starts = [0, *self._starts()]
        blocks = [bytes(memoryview(held)[a:b]) for a, b in pairwise(starts)]
        del held[: starts[-1]]
        self._seen = len(held)
        self._head = max(0, self._head - starts[-1])
        return blocks

    def rest(self) -> bytes:
        """The last block: nothing more will come."""
        return bytes(self._held)

    def _starts(self) -> Iterator[int]:
        """Where blocks begin that are not known yet, but for one at the beginning."""
        held = self._held
        found = held.find(_HEAD, max(0, self._seen - len(_HEAD) + 1))
        while found >= 0:
            start = self._first_comment(found + 1)
            self._head = found + 1
            if start:
                yield start
            found = held.find(_HEAD, found + 1)

    def _first_comment(self, head: int) -> int:
        """Where the first of the comments is that stand together with a head; 0 if another head or the beginning is
        among them."""
        held, at = self._held, head
        while at > self._head:
            before = held.rfind(b"\n", self._head, at - 1) + 1 or self._head
            if held[before] != 0x23:  # '#'
                return at
            at = before
        return 0
