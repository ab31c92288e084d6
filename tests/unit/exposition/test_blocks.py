"""Blocks of a body that comes in pieces."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from meshmeter.exposition.blocks import Blocks
from support.pieces import cut

LINES = (
    b"a 1\n",
    b"# HELP a A.\n",
    b"# TYPE a gauge\n",
    b"# EOF\n",
    b"\n",
    b"#",
    b" # TYPE b gauge\n",
    b"# TYPE",
)
BODY = (
    b"first 1\n# HELP a A.\n# TYPE a gauge\na 1\n# TYPE b gauge\n# TYPE c gauge\n# HELP c C.\nc 1\n# HELP d"
)


def blocks(*pieces: bytes) -> tuple[list[bytes], bytes]:
    made = Blocks()
    return [block for piece in pieces for block in made.feed(piece)], made.rest()


def test_a_block_is_a_family_with_its_comments() -> None:
    assert blocks(BODY) == (
        [b"first 1\n", b"# HELP a A.\n# TYPE a gauge\na 1\n"],
        b"# TYPE b gauge\n# TYPE c gauge\n# HELP c C.\nc 1\n# HELP d",
    )


def test_a_block_leaves_when_the_next_one_is_there() -> None:
    made = Blocks()
    assert not made.feed(b"# TYPE a gauge\na 1\n")
    assert not made.feed(b"# HELP b B.\n# TYP")
    assert made.feed(b"E b gauge\n") == [b"# TYPE a gauge\na 1\n"]
    assert made.rest() == b"# HELP b B.\n# TYPE b gauge\n"


@given(
    body=st.lists(st.sampled_from(LINES), max_size=12).map(b"".join),
    places=st.lists(st.integers(0, 200), max_size=12),
)
@example(body=BODY, places=list(range(200)))
@settings(max_examples=200, deadline=None)
def test_the_same_blocks_however_it_is_cut(body: bytes, places: list[int]) -> None:
    whole, rest = blocks(body)
    assert b"".join((*whole, rest)) == body
    assert blocks(*cut(body, places)) == (whole, rest)


@pytest.mark.parametrize("line", [b"# TYPE a gauge\n", b"# a\n", b"a 1\n"])
def test_many_lines_without_an_end(line: bytes) -> None:
    made = Blocks()
    for _ in range(20_000):
        assert not made.feed(line)
    assert made.rest() == line * 20_000
