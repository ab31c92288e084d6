"""How often one token may ask, and for how many Dataplanes it may speak. The clock is the test's."""

from __future__ import annotations

import pytest

from meshmeter.controlplane.tokens.limits import FORGET_ABOVE, Holdings, RateLimit
from meshmeter.errors import PermissionDenied, TooManyRequests

A, B, C = ("default", "a"), ("default", "b"), ("default", "c")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_minute_s_worth_may_come_at_once_and_then_one_by_one() -> None:
    clock = Clock()
    rate = RateLimit(6, "registrations", "--option", clock)
    for _ in range(6):
        rate.take("t")
    with pytest.raises(TooManyRequests, match=r"6 registrations a minute.*--option") as refused:
        rate.take("t")
    assert refused.value.retry_after == pytest.approx(10.0)
    clock.now += 9.0
    with pytest.raises(TooManyRequests) as refused:
        rate.take("t")
    assert refused.value.retry_after == pytest.approx(1.0)
    clock.now += 1.01
    rate.take("t")
    clock.now += 3600
    for _ in range(6):
        rate.take("t")
    with pytest.raises(TooManyRequests):
        rate.take("t")


def test_tokens_do_not_cost_each_other() -> None:
    rate = RateLimit(1, "x", "--x", Clock())
    rate.take("one")
    rate.take("other")
    with pytest.raises(TooManyRequests):
        rate.take("one")


def test_only_tokens_that_ask_are_remembered_and_none_gets_off_by_that() -> None:
    clock = Clock()
    rate = RateLimit(2, "x", "--x", clock)
    for number in range(FORGET_ABOVE - 1):
        rate.take(f"{number}")
    clock.now += 3600
    rate.take("busy")
    rate.take("busy")
    rate.take("the one that makes room")
    assert len(rate._buckets) == 2
    with pytest.raises(TooManyRequests):
        rate.take("busy")


def test_a_token_holds_so_many_at_a_time() -> None:
    holdings = Holdings(2)
    for key in (A, B, A):
        with holdings.taking(key, "t"):
            pass
    with pytest.raises(PermissionDenied, match=r"registered 2 Dataplanes.*--dataplanes-per-token"):
        with holdings.taking(C, "t"):
            pass
    with holdings.taking(C, "another"):
        pass
    # What another token registers is the other's; what is gone is nobody's.
    with holdings.taking(B, "another"):
        pass
    with holdings.taking(("shop", "a"), "t"):
        pass
    holdings.keep({("shop", "a")})
    with holdings.taking(C, "t"):
        pass


def test_a_registration_that_fails_holds_nothing() -> None:
    holdings = Holdings(1)
    with pytest.raises(ValueError, match="no"), holdings.taking(A, "t"):
        raise ValueError("no")
    with holdings.taking(B, "t"):
        pass
    with pytest.raises(ValueError, match="no"), holdings.taking(B, "thief"):
        raise ValueError("no")
    with holdings.taking(A, "thief"):
        pass
    with pytest.raises(PermissionDenied), holdings.taking(C, "t"):
        pass


def test_one_that_is_being_registered_counts_before_it_is_there() -> None:
    holdings = Holdings(1)
    with holdings.taking(A, "t"):
        holdings.keep(set())
        with pytest.raises(PermissionDenied), holdings.taking(B, "t"):
            pass


def test_one_that_was_only_heard_of_counts() -> None:
    holdings = Holdings(1)
    holdings.noticed(A, "t")
    with pytest.raises(PermissionDenied), holdings.taking(B, "t"):
        pass
    with holdings.taking(A, "t"):
        pass
