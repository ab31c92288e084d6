from __future__ import annotations

import asyncio

from meshmeter.controlplane.reconcile.published import Published


async def test_the_value_is_there_at_once() -> None:
    published = Published("first")
    assert published.value == "first"
    published.set("second")
    assert published.value == "second"


async def test_every_waiter_gets_the_next_value() -> None:
    published = Published(0)
    waiters = [asyncio.create_task(published.next()) for _ in range(3)]
    await asyncio.sleep(0)
    published.set(1)
    assert await asyncio.gather(*waiters) == [1, 1, 1]


async def test_a_waiter_sees_the_latest_of_several_values() -> None:
    published = Published(0)
    waiter = asyncio.create_task(published.next())
    await asyncio.sleep(0)
    published.set(1)
    published.set(2)
    assert await waiter == 2


async def test_what_was_set_before_wakes_nobody() -> None:
    published = Published(0)
    published.set(1)
    waiter = asyncio.create_task(published.next())
    await asyncio.sleep(0)
    assert not waiter.done()
    published.set(1)
    assert await waiter == 1


async def test_a_waiter_that_gives_up_harms_nobody() -> None:
    published = Published(0)
    gone, stays = (asyncio.create_task(published.next()) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    published.set(1)
    assert await stays == 1
    assert gone.cancelled() or (await asyncio.gather(gone, return_exceptions=True))


async def test_what_is_set_before_a_waiting_task_comes_to_run_is_not_missed() -> None:
    published = Published(0)
    seen = published.value
    waiter = asyncio.create_task(published.until(lambda value: value != seen))
    published.set(1)  # the task was made and has not run
    assert await asyncio.wait_for(waiter, 60) == 1


async def test_waiting_for_a_value_goes_on_until_it_is_there() -> None:
    published = Published(0)
    waiter = asyncio.create_task(published.until(lambda value: value > 1))
    await asyncio.sleep(0)
    published.set(1)
    await asyncio.sleep(0)
    assert not waiter.done()
    published.set(2)
    assert await waiter == 2
