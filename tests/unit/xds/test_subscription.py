"""What a proxy wants and has of one type."""

from __future__ import annotations

import pytest

from meshmeter.xds.messages import ProtocolError, Response
from meshmeter.xds.subscription import MAX_NAMES, UNKNOWN, Subscription
from meshmeter.xds.types import CLUSTER
from support.conversation import cluster

A, B = cluster("a"), cluster("b")
BOTH = {"a": A, "b": B}


def begin(*names: str, has: dict[str, str] | None = None, implicit: bool = True) -> Subscription:
    return Subscription.begin(subscribe=names, initial_versions=has or {}, may_be_implicit=implicit)


def test_subscribing_to_nothing_is_everything_where_that_is_allowed() -> None:
    assert begin().wants("a")
    assert not begin(implicit=False).wants("a")
    assert begin("*", implicit=False).wants("a")
    assert not begin("b").wants("a")


def test_a_version_is_had_once_it_is_acknowledged() -> None:
    subscription = begin()
    assert subscription.additions(BOTH) == (A, B)
    subscription.sent(Response(CLUSTER, "1", "v", (A,)))
    assert subscription.under_way
    assert subscription.additions(BOTH) == (A, B)
    assert subscription.unsent(BOTH)
    assert not subscription.unsent({"a": A})
    assert subscription.answer("2", refused=False) is None
    assert subscription.answer("1", refused=False) == Response(CLUSTER, "1", "v", (A,))
    assert subscription.additions(BOTH) == (B,)


def test_a_refused_version_is_missing_but_not_sent_until_it_is_forgiven() -> None:
    subscription = begin(has={"gone": "1"})
    subscription.sent(Response(CLUSTER, "1", "v", (A,), ("gone",)))
    subscription.answer("1", refused=True)
    assert subscription.missing({"a": A}) == (A,)
    assert subscription.superfluous({"a": A}) == ("gone",)
    assert subscription.additions({"a": A}) == ()
    assert subscription.removals({"a": A}) == ()
    assert not subscription.settled({"a": A})
    subscription.forgive()
    assert subscription.additions({"a": A}) == (A,)
    assert subscription.removals({"a": A}) == ("gone",)


def test_settled_is_when_exactly_that_was_acknowledged() -> None:
    subscription = begin(has={"a": A.version})
    assert subscription.settled({"a": A})
    assert not subscription.settled(BOTH)
    assert not subscription.settled({})
    subscription.sent(Response(CLUSTER, "1", "v"))
    assert not subscription.settled({"a": A})


def test_a_name_changed_while_a_response_is_under_way_is_not_settled_by_its_answer() -> None:
    subscription = begin("a", "b")
    subscription.sent(Response(CLUSTER, "1", "v", (A, B)))
    subscription.change(subscribe=("a",), unsubscribe=("b",))
    subscription.answer("1", refused=False)
    assert subscription.additions(BOTH) == (A,)
    assert subscription.had == {"a": UNKNOWN}


def test_reported_versions_have_a_limit_too() -> None:
    with pytest.raises(ProtocolError):
        begin(has=dict.fromkeys(map(str, range(MAX_NAMES + 1)), "1"))
