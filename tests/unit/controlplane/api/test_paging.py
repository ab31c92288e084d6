from __future__ import annotations

from typing import Any

import pytest
from yarl import URL

from meshmeter.controlplane.api.paging import page, page_size
from meshmeter.controlplane.http.errors import Refusal
from support.resources import dataplane


def names(*keys: str) -> list[Any]:
    """Dataplanes for `mesh/name`, in order."""
    return [dataplane(key.partition("/")[2], mesh=key.partition("/")[0]) for key in sorted(keys)]


def test_pages_follow_each_other_to_the_end() -> None:
    everything = names("a/1", "a/2", "b/1", "b/2", "b/3")
    seen, offset = [], ""
    for _ in range(3):
        shown = page(everything, 2, offset)
        assert shown.total == 5
        seen += [f"{item.mesh}/{item.name}" for item in shown.items]
        offset = shown.next_offset or ""
    assert offset == ""
    assert seen == ["a/1", "a/2", "b/1", "b/2", "b/3"]


def test_a_page_that_ends_exactly_is_the_last() -> None:
    assert page(names("a/1", "a/2"), 2, "").next_offset is None
    assert page([], 2, "").next_offset is None


def test_the_item_at_the_offset_may_be_gone() -> None:
    offset = page(names("a/1", "a/2", "a/4"), 2, "").next_offset
    after = page(names("a/1", "a/3", "a/4"), 2, offset or "")
    assert [item.name for item in after.items] == ["3", "4"]


def test_the_address_of_the_next_page_keeps_the_other_parameters() -> None:
    shown = page(names("a/1", "a/2"), 1, "")
    following = URL(shown.next_url(URL("http://host:1/dataplanes?size=1&name=x&offset=old")) or "")
    assert (following.host, following.path, following.query["name"]) == ("host", "/dataplanes", "x")
    assert following.query.getall("offset") == [shown.next_offset]


@pytest.mark.parametrize("offset", ["x", "!", "W10", "WzEsMl0", "bnVsbA", "é", "WyJhIl0"])
def test_an_offset_that_is_none_is_refused(offset: str) -> None:
    with pytest.raises(Refusal, match="invalid offset") as caught:
        page([], 1, offset)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "text, reason",
    [
        ("", "invalid format"),
        ("ten", "invalid format"),
        ("1.5", "invalid format"),
        ("٣", "invalid format"),
        ("9" * 5000, "invalid format"),
        ("0", "must be greater than 0"),
        ("-5", "must be greater than 0"),
        ("1001", "invalid page size of 1001. Maximum page size is 1000"),
    ],
)
def test_a_page_size_that_is_none_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Refusal) as caught:
        page_size(text)
    assert [(v.field, v.reason) for v in caught.value.violations] == [("size", reason)]


def test_page_sizes() -> None:
    assert (page_size(None), page_size("1"), page_size("1000")) == (100, 1, 1000)
