from __future__ import annotations

import pytest

from meshmeter.agent import hops


def test_the_way_of_a_request() -> None:
    assert hops.read([], "me") == ()
    assert hops.read(["a"], "me") == ("a",), "as an agent of an earlier version writes it"
    assert hops.read(["a, b", "c"], "me") == ("a", "b", "c")


@pytest.mark.parametrize("marks", [["me"], ["a,me"], ["a", "me,b"]])
def test_a_request_that_was_here_is_refused(marks: list[str]) -> None:
    with pytest.raises(hops.Circle, match="leads back"):
        hops.read(marks, "me")


@pytest.mark.parametrize(
    "marks", [["a,b,c,d"], [",".join("abcdefgh")], [""], ["a b"], ["x" * 65], ["é"], ["a,,b"]]
)
def test_a_way_that_is_too_long_or_unreadable_is_refused(marks: list[str]) -> None:
    with pytest.raises(hops.Circle, match="more than 3"):
        hops.read(marks, "me")
