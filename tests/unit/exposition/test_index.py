"""Where families are in a body."""

from __future__ import annotations

from meshmeter.exposition.families import Type
from meshmeter.exposition.index import index, normalise, stretches
from meshmeter.exposition.names import Escaping


def found(body: bytes, **how: bool) -> dict[bytes, list[bytes]]:
    made = index(body, **{"openmetrics": False, "escaping": Escaping.UNDERSCORES, **how})
    return {
        name: [made.body[start:end] for start, end in family.spans] for name, family in made.families.items()
    }


def test_a_stretch_of_one_family_is_one_span() -> None:
    body = b"# TYPE h histogram\nh_bucket 1\nh_sum 2\n\n\n# TYPE a gauge\na 1\na 2\n"
    assert found(body) == {b"h": [b"h_bucket 1\nh_sum 2\n"], b"a": [b"a 1\na 2\n"]}


def test_scattered_families() -> None:
    assert found(b"a 1\nb 1\nb 2\na 2\n# comment\na 3\n") == {
        b"a": [b"a 1\n", b"a 2\n", b"a 3\n"],
        b"b": [b"b 1\nb 2\n"],
    }


def test_metadata_may_come_late_and_the_first_holds() -> None:
    made = index(
        b"# HELP a One.\na 1\n# TYPE a gauge\n# TYPE a counter\n# HELP a Two.\n# TYPE unused gauge\n",
        openmetrics=False,
        escaping=Escaping.UNDERSCORES,
    )
    (family,) = made.families.values()
    assert (family.type, family.help) == (Type.GAUGE, b"One.")


def test_lines_that_belong_nowhere() -> None:
    made = index(b"?\na 1\n{x}\n", openmetrics=False, escaping=Escaping.UNDERSCORES)
    assert list(made.malformed) == [0, 6]


def test_families_beyond_the_most_are_passed_over() -> None:
    body = (
        b"# TYPE a gauge\n# TYPE b gauge\n# TYPE c counter\n# HELP c x\n# HELP a y\na 1\nc 1\nb 1\nc 2\n{x}\n"
    )
    made = index(body, openmetrics=False, escaping=Escaping.UNDERSCORES, most=2)
    assert list(made.families) == [b"a", b"b"]
    assert made.families[b"a"].help == b"y"
    assert [body[at : at + 3] for at in made.beyond] == [b"c 1", b"c 2"]
    assert [body[at : at + 3] for at in made.malformed] == [b"{x}"]
    late = index(b"# TYPE a gauge\nb 1\nb 2\nc 1\n", openmetrics=False, escaping=Escaping.UNDERSCORES, most=2)
    assert (list(late.families), list(late.beyond)) == ([b"b"], [23])


def test_long_spans_in_pieces_of_whole_lines() -> None:
    body = b"a 1\n" * 40_000
    pieces = list(stretches(body, 4, len(body)))
    assert b"".join(body[a:b] for a, b in pieces) == body[4:]
    assert len(pieces) == 3 and all(body[b - 1 : b] == b"\n" for _, b in pieces)


def test_normalise() -> None:
    untouched = b"a 1\n"
    assert normalise(untouched) is untouched
    assert normalise(b"\xef\xbb\xbf  a 1\r\n\tb 2") == b"a 1\nb 2\n"
    assert normalise(b"") == b""
