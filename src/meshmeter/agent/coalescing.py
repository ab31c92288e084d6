"""Coalescing: scrapers that want the same thing at the same time share one answer, which may still be under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
from contextlib import asynccontextmanager
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

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body from its beginning. Raises what kept it from being whole."""
        at = 0
        while True:
            while at < len(self._pieces):
                yield self._pieces[at]
                at += 1
            if self.is_complete:
                if self._error is not None:
                    raise self._error
                return
            await self._changed.wait()

    async def body(self) -> bytes:
        """The whole body. Raises as `pieces`."""
        return b"".join([piece async for piece in self.pieces()])


class Coalescer(Generic[K]):
    """Runs at most one piece of work per key at a time."""

    def __init__(self, on_shared: Callable[[], None] = lambda: None) -> None:
        """`on_shared` is called for each reader that joins work which already runs."""
        self._on_shared = on_shared
        self._running: dict[K, tuple[asyncio.Task[None], Answer, set[object]]] = {}

    @asynccontextmanager
    async def join(
        self, key: K, work: Callable[[Answer], Coroutine[Any, Any, None]]
    ) -> AsyncIterator[Answer]:
        """The answer that `work` writes, or the one that is under way for this key.

        A reader that leaves early leaves the others alone; when the last one has left, the work is cancelled.
        """
        if key not in self._running:
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
        try:
            yield answer
        finally:
            readers.discard(me)
            if not readers and not task.done():
                self._forget(key, task)
                task.cancel()

    async def cancel(self) -> None:
        """Cancel everything that runs and wait for its end."""
        tasks = [task for task, _, _ in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, key: K, task: asyncio.Task[None], answer: Answer) -> None:
        self._forget(key, task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        answer.end(error)

    def _forget(self, key: K, task: asyncio.Task[None]) -> None:
        if key in self._running and self._running[key][0] is task:
            del self._running[key]
