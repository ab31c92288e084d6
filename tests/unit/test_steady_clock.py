"""Clocks that are set while the control plane runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from meshmeter.steady_clock import CautiousClock, SteadyClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class Host:
    def __init__(self) -> None:
        self.wall, self.passed = NOW, 0.0

    def pass_time(self, span: timedelta) -> None:
        self.wall += span
        self.passed += span.total_seconds()


def test_a_steady_clock_is_not_set() -> None:
    host = Host()
    clock = SteadyClock(lambda: host.wall, lambda: host.passed)
    host.pass_time(DAY)
    for jump in (40 * DAY, -80 * DAY):
        host.wall += jump
        assert clock() == NOW + DAY


def test_a_cautious_clock_follows_a_jump_ahead_and_back() -> None:
    host = Host()
    clock = CautiousClock(lambda: host.wall, lambda: host.passed)
    host.wall += 40 * DAY
    assert clock() == NOW + 40 * DAY
    host.wall -= 40 * DAY
    host.pass_time(DAY)
    assert clock() == NOW + DAY


def test_a_cautious_clock_does_not_go_back_at_once_and_does_later() -> None:
    host = Host()
    clock = CautiousClock(lambda: host.wall, lambda: host.passed, settle=timedelta(hours=1))
    host.wall -= 40 * DAY
    assert clock() == NOW
    host.pass_time(timedelta(minutes=59))
    assert clock() == NOW + timedelta(minutes=59)
    host.pass_time(timedelta(minutes=1))
    assert clock() == host.wall == NOW - 40 * DAY + timedelta(hours=1)
    host.pass_time(DAY)
    assert clock() == host.wall
