"""Time of day that goes on evenly, whatever is done to the clock of the host: for spans that gate security."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def utc_now() -> datetime:
    """The host's clock."""
    return datetime.now(UTC)


class SteadyClock:
    """The host's clock as it was when this was made, and the time that has passed since."""

    def __init__(
        self, now: Callable[[], datetime] = utc_now, monotonic: Callable[[], float] = time.monotonic
    ):
        self._start, self._began, self._monotonic = now(), monotonic(), monotonic

    def __call__(self) -> datetime:
        return self._start + timedelta(seconds=self._monotonic() - self._began)


class CautiousClock:
    """Judges what expires: the later of the host's clock and of the time that has passed.

    A clock that is set back makes nothing valid again. One that stays back for `settle` is believed then: it was wrong
    before. One that is ahead is believed while it is.
    """

    def __init__(
        self,
        now: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        settle: timedelta = timedelta(hours=1),
    ):
        self._now, self._monotonic, self._settle = now, monotonic, settle
        self._steady = SteadyClock(now, monotonic)
        self._behind_since: float | None = None

    def __call__(self) -> datetime:
        now, steady = self._now(), self._steady()
        if now >= steady - timedelta(seconds=1):
            self._behind_since = None
            return max(now, steady)
        if self._behind_since is None:
            self._behind_since = self._monotonic()
        if self._monotonic() - self._behind_since < self._settle.total_seconds():
            return steady
        self._steady = SteadyClock(self._now, self._monotonic)
        self._behind_since = None
        return now
