from __future__ import annotations

from meshmeter.agent.backoff import Backoff


def test_doubles_up_to_the_limit_and_starts_again_after_a_success() -> None:
    backoff = Backoff(1.0, 30.0)
    assert [backoff.next() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    backoff.reset()
    assert backoff.next() == 1


def test_jitter_spreads_around_the_value() -> None:
    assert Backoff(4.0, jitter=0.25, random=lambda: 0.0).next() == 3.0
    assert Backoff(4.0, jitter=0.25, random=lambda: 0.5).next() == 4.0
    assert Backoff(4.0, jitter=0.25, random=lambda: 1.0).next() == 5.0
