"""Sharing answers that are still under way."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from meshmeter.agent.coalescing import Answer, Busy, Coalescer, Room


class Work:
    """Writes a head at once, and one piece for each `go`."""

    def __init__(self) -> None:
        self.started = self.cancelled = 0
        self.pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def __call__(self, answer: Answer) -> None:
        self.started += 1
        answer.start(200, f"text/{self.started}")
        try:
            while (piece := await self.pieces.get()) is not None:
                answer.add(piece)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    def put(self, *pieces: bytes | None) -> None:
        for piece in pieces:
            self.pieces.put_nowait(piece)


async def read(shared: Coalescer[str], key: str, work: Work) -> tuple[int, str, bytes]:
    async with shared.join(key, work) as answer:
        await answer.head()
        return answer.status, answer.content_type, await answer.body()


async def some_turns() -> None:
    """Let everybody do what can be done without waiting."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_readers_at_the_same_time_share() -> None:
    joined: list[None] = []
    shared: Coalescer[str] = Coalescer(lambda: joined.append(None))
    one, other = Work(), Work()
    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(read(shared, "one", one)) for _ in range(3)]
        apart = group.create_task(read(shared, "other", other))
        await asyncio.sleep(0)
        one.put(b"a", b"b", None)
        other.put(b"c", None)
    assert {reader.result() for reader in readers} == {(200, "text/1", b"ab")}
    assert apart.result() == (200, "text/1", b"c")
    assert (one.started, other.started, len(joined)) == (1, 1, 2)
    one.put(None)
    assert await read(shared, "one", one) == (200, "text/2", b"")


async def test_who_comes_late_gets_the_whole() -> None:
    shared: Coalescer[str] = Coalescer()
    work = Work()
    first = asyncio.create_task(read(shared, "x", work))
    work.put(b"begin ")
    async with shared.join("x", work) as answer:
        pieces = answer.pieces()
        assert await anext(pieces) == b"begin "
        late = asyncio.create_task(read(shared, "x", work))
        await asyncio.sleep(0)
        work.put(b"end", None)
        assert await anext(pieces) == b"end"
    assert (await first)[2] == (await late)[2] == b"begin end"
    assert work.started == 1


async def test_a_slow_reader_holds_nobody_up() -> None:
    shared: Coalescer[str] = Coalescer()
    work = Work()
    async with shared.join("x", work) as slow:
        await slow.head()
        fast = asyncio.create_task(read(shared, "x", work))
        work.put(*(b"%d," % n for n in range(1000)), None)
        whole = (await fast)[2]
        assert await slow.body() == whole


async def test_the_last_one_to_leave_stops_the_work() -> None:
    shared: Coalescer[str] = Coalescer()
    work = Work()
    readers = [asyncio.create_task(read(shared, "x", work)) for _ in range(2)]
    await some_turns()
    assert work.started == 1
    readers[0].cancel()
    await some_turns()
    assert work.cancelled == 0
    readers[1].cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    await some_turns()
    assert work.cancelled == 1
    work.put(None)
    assert (await read(shared, "x", work))[1] == "text/2"


async def test_everyone_hears_of_an_error_before_the_head() -> None:
    shared: Coalescer[str] = Coalescer()

    async def fail(_answer: Answer) -> None:
        await asyncio.sleep(0)
        raise ValueError("broken")

    async def head() -> None:
        async with shared.join("x", fail) as answer:
            await answer.head()

    results = await asyncio.gather(head(), head(), return_exceptions=True)
    assert [str(result) for result in results] == ["broken", "broken"]


async def test_an_error_after_the_head_is_not_taken_for_the_end() -> None:
    shared: Coalescer[str] = Coalescer()

    async def break_off(answer: Answer) -> None:
        answer.start(200, "text/plain")
        answer.add(b"half")
        raise ValueError("broken")

    async with shared.join("x", break_off) as answer:
        with pytest.raises(ValueError, match="broken"):
            await answer.body()


async def test_work_without_an_answer_is_an_error() -> None:
    async def nothing(_answer: Answer) -> None: ...

    shared: Coalescer[str] = Coalescer()
    with pytest.raises(RuntimeError, match="without an answer"):
        async with shared.join("x", nothing) as answer:
            await answer.head()


async def test_closing_cancels_everything() -> None:
    shared: Coalescer[str] = Coalescer()
    work = Work()
    reader = asyncio.create_task(read(shared, "x", work))
    await some_turns()
    await shared.cancel()
    assert work.cancelled == 1
    with pytest.raises(asyncio.CancelledError):
        await reader


async def test_there_is_room_for_some_different_answers_and_always_for_equal_ones() -> None:
    shared: Coalescer[str] = Coalescer(room=Room(answers=2))
    one, other, third = Work(), Work(), Work()
    readers = [asyncio.create_task(read(shared, *wanted)) for wanted in (("one", one), ("other", other))]
    await asyncio.sleep(0)
    with pytest.raises(Busy, match="2 different scrapes"):
        await read(shared, "third", third)
    readers.append(asyncio.create_task(read(shared, "one", one)))
    await asyncio.sleep(0)
    one.put(b"a", None)
    other.put(None)
    assert [body for _, _, body in await asyncio.gather(*readers)] == [b"a", b"", b"a"]
    third.put(None)
    assert (await read(shared, "third", third))[0] == 200
    assert (one.started, third.started) == (1, 1)


async def test_an_answer_takes_room_until_its_last_reader_has_left() -> None:
    shared: Coalescer[str] = Coalescer(room=Room(bytes=100))
    work, more = Work(), Work()
    work.put(b"x" * 60, None)
    more.put(b"y", None)
    async with shared.join("slow", work) as slow:
        assert len(await slow.body()) == 60
        with pytest.raises(Busy, match="60 bytes"):
            await read(shared, "more", more)
    assert (await read(shared, "more", more))[2] == b"y"


async def test_what_is_in_work_is_expected_to_need_what_answers_did_of_late() -> None:
    shared: Coalescer[str] = Coalescer(room=Room(bytes=100))
    works = [Work() for _ in range(4)]
    async with AsyncExitStack() as stack:
        for number in range(4):  # of the first ones nothing is known
            await stack.enter_async_context(shared.join(f"{number}", works[number]))
        with pytest.raises(Busy, match="100 bytes"):
            await stack.enter_async_context(shared.join("fifth", Work()))
    work, one, other = Work(), Work(), Work()
    work.put(b"x" * 40, None)
    await read(shared, "work", work)
    one.put(b"x")
    async with shared.join("one", one) as first:
        await anext(first.pieces())
        async with shared.join("other", other) as second:
            await second.head()
            with pytest.raises(Busy, match="81 bytes"):
                await read(shared, "work", work)


async def test_one_answer_alone_may_be_larger_than_the_room() -> None:
    shared: Coalescer[str] = Coalescer(room=Room(bytes=10))
    for _ in range(2):
        work = Work()
        work.put(b"x" * 100, None)
        assert len((await read(shared, "x", work))[2]) == 100


async def test_there_is_room_for_so_many_readers() -> None:
    shared: Coalescer[str] = Coalescer(room=Room(readers=1))
    work = Work()
    async with shared.join("x", work):
        with pytest.raises(Busy, match="1 scrapers"):
            await read(shared, "x", work)
