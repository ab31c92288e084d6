"""Reading one source (what becomes of lines is in test_merge_python)."""

from __future__ import annotations

from cProfile import Profile

import pytest

from meshmeter.exposition.lines import parse_sample
from meshmeter.exposition.merge import Options, Source
from meshmeter.exposition.reading import Reader
from meshmeter.exposition.series import LabelTable


def test_both_ways_read_the_same() -> None:
    body = b'# TYPE h histogram\nh_bucket{a="1",le="1"} 2\nh_sum{a="1"} 3\n# TYPE c counter\nc{x="y"} 1\n'
    seen = []
    for shortcuts in (True, False):
        reader = Reader(Source("app", body), Options(), LabelTable(), shortcuts=shortcuts)
        reader.open(body)
        read = {name: reader.read(family) for name, family in reader.index.families.items()}
        seen.append(
            {
                name: (
                    {labels.inner: tail for labels, tail in samples.plain.items()},
                    {labels.inner: (m.edges, m.parts) for labels, m in samples.metrics.items()},
                )
                for name, samples in read.items()
            }
        )
    assert seen[0] == seen[1]
    assert seen[0][b"c"] == ({b'x="y"': b"1"}, {})


def test_line_numbers() -> None:
    reader = Reader(Source("app", b""), Options(), LabelTable())
    reader.open(b"a 1\n\nb 2\na x\n??\n")
    reader.complain()
    for family in reader.index.families.values():
        reader.read(family)
    assert [(problem.line, problem.text) for problem in reader.stats().problems] == [(4, "a x")]


def test_what_is_taken_back_is_the_first_of_nothing() -> None:
    reader = Reader(Source("app", b""), Options(), LabelTable())
    reader.open(b"a 1\nb 2\na x\na 1\nb x\n??\n")
    reader.complain()
    before = reader.stats()
    mark = reader.mark()
    a, b = reader.index.families.values()
    reader.read(a)
    assert [(p.reason, p.line) for p in reader.stats().problems] == [
        ("malformed_line", 3), ("duplicate_series", 4)
    ]  # fmt: skip
    reader.back(mark)
    assert reader.stats() == before and [p.line for p in before.problems] == [6]
    reader.read(b)
    assert [(p.reason, p.line) for p in reader.stats().problems] == [("malformed_line", 5)]


def test_parts_of_a_body_have_no_line_numbers() -> None:
    reader = Reader(Source("app", b""), Options(), LabelTable())
    for part in (b"??\n", b"!\n"):
        reader.open(part, numbered=False)
        reader.complain()
    stats = reader.stats()
    assert stats.dropped == {"malformed_line": 2} and {problem.line for problem in stats.problems} == {0}


@pytest.mark.parametrize("odd", [b'a_sum{n="odd"}  1\n', b'a_sum{n="\xff"} 1\n', b'a_sum{n="0"} 1\n'])
@pytest.mark.attack("B2: one odd line sends a whole family down the slow way")
def test_an_odd_line_costs_only_what_is_near_it(odd: bytes) -> None:
    lines = [b'a_sum{n="%d%b"} 1\n' % (n, b"v" * 1000) for n in range(1000)]
    lines[500] = odd
    reader = Reader(Source("app", b""), Options(), LabelTable())
    reader.open(b'# TYPE a summary\na_sum{n="0"} 1\n' + b"".join(lines))
    profile = Profile()
    (family,) = reader.index.families.values()
    profile.enable()
    read = reader.read(family)
    profile.disable()
    assert 1 <= sum(call.callcount for call in profile.getstats() if call.code is parse_sample.__code__) < 150
    assert len(read) + sum(reader.stats().dropped.values()) == 1001
