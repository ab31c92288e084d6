"""Coalescing: scrapers that want the same thing at the same time share one answer, which may still be under way.

An answer is held until its last reader has it, so many different ones and slow readers cost memory: how much there may
be at once is limited, and who would be beyond is told so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Answer:
    """One answer as it comes into being: a head, then pieces of its body. Written by one task, read by any number.

    All pieces are kept until the last reader has left, so that one that comes late or reads slowly gets the whole,
    and holds nobody up.
    """

    def __init__(self) -> None:
        self.status = 0
        """0: nothing has been decided."""
        self.content_type = ""
        self.is_complete = False
        self.size = 0
        """Bytes of the body so far."""
        self._pieces: list[bytes] = []
        self._error: BaseException | None = None
        self._changed = asyncio.Event()

    # For the one who writes

    def start(self, status: int, content_type: str) -> None:
        """Decide the head."""
        self.status, self.content_type = status, content_type
        self._tell()

    def add(self, *pieces: bytes) -> None:
        """Some more of the body, after `start`."""
        if any(pieces):
            self._pieces += filter(None, pieces)
            self.size += sum(map(len, pieces))
            self._tell()

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more will come; with an error, the body is not whole."""
        self.is_complete, self._error = True, error
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # For those who read

    async def head(self) -> None:
        """Until the head is decided. Raises what ended the work before that."""
        while not self.status:
            if self.is_complete:
                raise self._error or RuntimeError("the work ended without an answer")
            await self._changed.wait()

    async def end_of_body(self) -> None:
        """Until the body is complete. Raises what kept it from being whole."""
        while not self.is_complete:
            await self._changed.wait()
        if self._error is not None:
            raise self._error

    async def pieces(self, together: int = 0) -> AsyncIterator[bytes]:
        """The body from its beginning; pieces that are there already come as one of up to `together` bytes. Raises what
        kept it from being whole."""
        at = 0
        while True:
            while at < len(self._pieces):
                end, size = at + 1, len(self._pieces[at])
                while end < len(self._pieces) and (size := size + len(self._pieces[end])) <= together:
                    end += 1
                taken, at = self._pieces[at:end], end
                yield b"".join(taken)
            if self.is_complete:
                if self._error is not None:
                    raise self._error
                return
            await self._changed.wait()

    async def body(self) -> bytes:
        """The whole body. Raises as `pieces`."""
        return b"".join([piece async for piece in self.pieces()])


@dataclass(frozen=True, slots=True)
class Room:
    """How much may be in work, or be read, at once."""

    answers: int = 10
    """Different ones."""
    bytes: int = 128 << 20
    """Of all of them. One alone may be larger."""
    readers: int = 256


class Busy(Exception):
    """There is no room for this request now; the message says of what there is too much."""


class Coalescer(Generic[K]):
    """Runs at most one piece of work per key at a time."""

    def __init__(self, on_shared: Callable[[], None] = lambda: None, room: Room | None = None) -> None:
        """`on_shared` is called for each reader that joins work which already runs."""
        self._on_shared = on_shared
        self._room = room or Room()
        self._running: dict[K, tuple[asyncio.Task[None], Answer, set[object]]] = {}
        self._read: dict[Answer, int] = {}
        """How many read each answer, complete or not."""
        self._usual = self._room.bytes // 4
        """Bytes that an answer in work is expected to need: as the largest of late; much before the first one."""

    @asynccontextmanager
    async def join(
        self, key: K, work: Callable[[Answer], Coroutine[Any, Any, None]]
    ) -> AsyncIterator[Answer]:
        """The answer that `work` writes, or the one that is under way for this key.

        A reader that leaves early leaves the others alone; when the last one has left, the work is cancelled. Raises
        Busy.
        """
        if sum(self._read.values()) >= self._room.readers:
            raise Busy(f"{self._room.readers} scrapers are being answered")
        if key not in self._running:
            self._make_sure_of_room()
            answer = Answer()
            task = asyncio.get_running_loop().create_task(
                work(answer), name=f"shared work for {type(key).__name__}"
            )
            self._running[key] = task, answer, set()
            task.add_done_callback(lambda done: self._ended(key, done, answer))
        else:
            self._on_shared()
        task, answer, readers = self._running[key]
        me = object()
        readers.add(me)
        self._read[answer] = self._read.get(answer, 0) + 1
        try:
            yield answer
        finally:
            readers.discard(me)
            self._read[answer] -= 1
            if not self._read[answer]:
                del self._read[answer]
            if not readers and not task.done():
                self._forget(key, task)
                task.cancel()

    def _make_sure_of_room(self) -> None:
        if len(self._read) >= self._room.answers:
            raise Busy(f"{self._room.answers} different scrapes are in work or being read")
        # What is in work also holds what it was made of.
        held = sum(answer.size + (0 if answer.is_complete else self._usual) for answer in self._read)
        if held and held + self._usual > self._room.bytes:
            raise Busy(f"the answers in work or being read have {held} bytes")

    async def cancel(self) -> None:
        """Cancel everything that runs and wait for its end."""
        tasks = [task for task, _, _ in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, key: K, task: asyncio.Task[None], answer: Answer) -> None:
        self._forget(key, task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            self._usual = max(answer.size, self._usual // 2)
        answer.end(error)

    def _forget(self, key: K, task: asyncio.Task[None]) -> None:
        if key in self._running and self._running[key][0] is task:
            del self._running[key]
