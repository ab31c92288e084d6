"""Sharing work."""

from __future__ import annotations

import asyncio

import pytest

from meshmeter.agent.coalescing import Coalescer


class Work:
    def __init__(self) -> None:
        self.started = self.cancelled = 0
        self.go = asyncio.Event()

    async def __call__(self) -> int:
        self.started += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.started


async def test_callers_at_the_same_time_share() -> None:
    shared: Coalescer[str, int] = Coalescer()
    one, other = Work(), Work()
    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(shared.run("one", one)) for _ in range(3)]
        apart = group.create_task(shared.run("other", other))
        await asyncio.sleep(0)
        one.go.set()
        other.go.set()
    assert [caller.result() for caller in callers] == [1, 1, 1]
    assert (apart.result(), one.started, other.started) == (1, 1, 1)
    assert await shared.run("one", one) == 2


async def test_the_last_one_to_leave_stops_the_work() -> None:
    shared: Coalescer[str, int] = Coalescer()
    work = Work()
    callers = [asyncio.get_running_loop().create_task(shared.run("x", work)) for _ in range(2)]
    await asyncio.sleep(0.01)
    callers[0].cancel()
    await asyncio.sleep(0.01)
    assert work.cancelled == 0
    callers[1].cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    await asyncio.sleep(0.01)
    assert work.cancelled == 1
    work.go.set()
    assert await shared.run("x", work) == 2


async def test_everyone_gets_the_exception() -> None:
    shared: Coalescer[str, int] = Coalescer()

    async def fail() -> int:
        await asyncio.sleep(0)
        raise RuntimeError("no")

    results = await asyncio.gather(*(shared.run("x", fail) for _ in range(2)), return_exceptions=True)
    assert [str(result) for result in results] == ["no", "no"]


async def test_cancel() -> None:
    shared: Coalescer[str, int] = Coalescer()
    work = Work()
    caller = asyncio.get_running_loop().create_task(shared.run("x", work))
    await asyncio.sleep(0.01)
    await shared.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert work.cancelled == 1


async def test_those_who_join_are_counted() -> None:
    joined: list[int] = []
    shared: Coalescer[str, int] = Coalescer(lambda: joined.append(1))

    async def one() -> int:
        await asyncio.sleep(0)
        return 1

    await asyncio.gather(*(shared.run("x", one) for _ in range(3)), shared.run("y", one))
    assert len(joined) == 2
