"""Hops: the way of a scrape from agent to agent, so that none goes in circles.

An aggregate entry may lead to the metrics endpoint of another proxy, whose agent fetches in turn. Each agent adds its
name to the mark of its fetches (`fetcher.LOOP_HEADER`), and refuses a request that has been with it, whatever the
length of the circle. A way has a greatest length too: among many agents that point at each other there are more ways
without a circle than anybody wants to wait for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MOST = 3
"""Agents that a request may have been with."""

_NAME = re.compile(r"[A-Za-z0-9]{1,64}")


class Circle(Exception):
    """The request has been here before, or with too many others, or its mark is none of ours."""


def read(marks: Iterable[str], identity: str) -> tuple[str, ...]:
    """The agents that a request has been with, from the values of its header. Raises Circle."""
    hops = tuple(name.strip() for mark in marks for name in mark.split(",", MOST + 1))
    if identity in hops:
        raise Circle("An aggregate entry leads back to this metrics endpoint.")
    if len(hops) > MOST or not all(map(_NAME.fullmatch, hops)):
        raise Circle(f"This request has been with more than {MOST} agents, or its mark cannot be read.")
    return hops
