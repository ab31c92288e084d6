"""Bodies are made once per content."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading

import pytest

from meshmeter.controlplane.discovery.sd_bodies import LARGE, REMEMBERED, Body, BodyCache
from meshmeter.effective.metrics import effective_metrics
from meshmeter.mads.assignments import (
    EVERYTHING,
    AssignmentSnapshot,
    Selection,
    build_assignment,
    build_snapshot,
)
from support.resources import dataplane, metered


def snapshot(*names: str) -> AssignmentSnapshot:
    built = []
    for name in names:
        subject = dataplane(name)
        assignment = build_assignment(subject, effective_metrics(metered(), subject))
        assert assignment is not None
        built.append(assignment)
    return build_snapshot(built)


def test_clients_with_the_same_answer_share_one_body() -> None:
    cache, now = BodyCache(), snapshot("a")
    everything = cache.select(now, EVERYTHING)
    same = cache.select(now, Selection(meshes=frozenset({"default"})))
    assert cache.discovery(everything) is cache.discovery(same)
    assert cache.targets(everything) is cache.targets(same)
    assert cache.discovery(everything) is not cache.targets(everything)


async def test_both_encodings_say_the_same() -> None:
    cache = BodyCache()
    body = cache.targets(cache.select(snapshot("a"), EVERYTHING))
    assert gzip.decompress(await body.gzipped()) == await body.plain()
    assert json.loads(await body.plain())[0]["labels"]["instance"] == "a"
    assert await body.gzipped() is await body.gzipped()


def test_a_selection_is_made_once_per_snapshot() -> None:
    cache, now = BodyCache(), snapshot("a", "b")
    wanted = Selection(service="backend")
    assert cache.select(now, wanted) is cache.select(now, wanted)


async def test_a_new_snapshot_replaces_everything() -> None:
    cache = BodyCache()
    before = cache.discovery(cache.select(snapshot("a"), EVERYTHING))
    after = cache.discovery(cache.select(snapshot("a", "b"), EVERYTHING))
    assert await before.plain() != await after.plain()


def test_many_different_selections_do_not_pile_up() -> None:
    cache, now = BodyCache(), snapshot("a")
    first = cache.select(now, Selection(service="backend"))
    for number in range(REMEMBERED):
        assert cache.select(now, Selection(service=f"s{number}")).assignments == ()
    again = cache.select(now, Selection(service="backend"))
    assert again == first and again is not first


@pytest.mark.attack("B4: a large answer of discovery is made beside the event loop, once for all who ask")
async def test_a_large_body_is_made_once_and_not_on_the_event_loop() -> None:
    made: list[str] = []

    def make() -> bytes:
        made.append(threading.current_thread().name)
        return b"x"

    body = Body(make, large=True)
    assert await asyncio.gather(*(body.plain() for _ in range(3))) == [b"x"] * 3
    assert len(made) == 1 and made[0] != threading.current_thread().name
    assert gzip.decompress(await body.gzipped()) == b"x"
    assert await Body(make).plain() == b"x" and made[1] == threading.current_thread().name


async def test_an_answer_that_could_not_be_made_is_made_again() -> None:
    answers = iter([ValueError("once"), b"x"])

    def make() -> bytes:
        answer = next(answers)
        if isinstance(answer, ValueError):
            raise answer
        return answer

    body = Body(make, large=True)
    with pytest.raises(ValueError, match="once"):
        await body.plain()
    assert await body.plain() == b"x"


async def test_many_targets_are_a_large_answer() -> None:
    cache = BodyCache()
    few, many = snapshot("a"), snapshot(*(f"dp-{n}" for n in range(LARGE + 1)))
    for now, threads in ((few, 0), (many, 1)):
        body = cache.targets(cache.select(now, EVERYTHING))
        loop = asyncio.get_running_loop()
        ran: list[int] = []
        loop.call_soon(ran.append, 1)
        await body.plain()
        assert len(ran) == threads, "the loop went on meanwhile, or not"
        assert len(json.loads(await body.plain())) == len(now.assignments)
