"""Deadline: when merging has to be over, asked for in between by everything that may take long."""

from __future__ import annotations

from collections.abc import Callable


class Late(Exception):
    """The time is over."""


class Deadline:
    """Begins with its making."""

    def __init__(self, seconds: float | None, clock: Callable[[], float]):
        """Without `seconds` there is time for ever."""
        self._clock = clock
        self._end = None if seconds is None else clock() + seconds

    def check(self) -> None:
        """Raises Late if the time is over."""
        if self._end is not None and self._clock() >= self._end:
            raise Late
