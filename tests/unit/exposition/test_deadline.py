"""Deadlines by a clock of the test."""

from __future__ import annotations

import pytest

from meshmeter.exposition.deadline import Deadline, Late


def test_a_deadline_begins_with_its_making() -> None:
    now = [5.0]
    deadline, never = Deadline(2, lambda: now[0]), Deadline(None, lambda: now[0])
    now[0] = 6.9
    deadline.check()
    now[0] = 7.0
    with pytest.raises(Late):
        deadline.check()
    now[0] = 1e9
    never.check()


def test_no_time_at_all() -> None:
    with pytest.raises(Late):
        Deadline(0, lambda: 5.0).check()
