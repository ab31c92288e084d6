"""Waiting times between attempts."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Doubles from `first` up to `limit` seconds.

    With `jitter` 0.25 each is up to a quarter shorter or longer, so that many agents do not come back in
    step.
    """

    def __init__(
        self,
        first: float = 1.0,
        limit: float = 30.0,
        *,
        jitter: float = 0.0,
        random: Callable[[], float] = random.random,
    ):
        self._first, self._limit, self._jitter, self._random = first, limit, jitter, random
        self._next = first

    def next(self) -> float:
        """Seconds to wait before the next attempt."""
        seconds = self._next
        self._next = min(seconds * 2, self._limit)
        return seconds * (1 + self._jitter * (2 * self._random() - 1))

    def reset(self) -> None:
        """It worked: the next failure starts again at `first`."""
        self._next = self._first
