"""Reads of files that may be on drives which do not answer.

Each mesh has at most one read in flight, in a thread that no other mesh and nothing else of the process waits for, nor
the end of the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread

from meshmeter import files
from meshmeter.resources.validation.authority import FileReader

LARGEST_FILE = 1 << 20
"""Bytes of a certificate or key file."""


def read_file(path: str) -> bytes:
    """The content of a regular file. Raises OSError."""
    return files.read_file(path, LARGEST_FILE)


@dataclass(frozen=True, slots=True)
class _Read:
    path: str
    done: asyncio.Future[bytes]


class FileReads:
    """One event loop only."""

    def __init__(self, read: FileReader = read_file):
        self._read = read
        self._running: dict[str, _Read] = {}

    async def read(self, mesh: str, path: str) -> bytes:
        """The content of a file. Raises what the reader raises; waits for as long as the caller does."""
        while (running := self._running.get(mesh)) is not None:
            if running.path == path:
                return await asyncio.shield(running.done)
            await asyncio.wait([running.done])
        return await asyncio.shield(self._start(mesh, path))

    def _start(self, mesh: str, path: str) -> asyncio.Future[bytes]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[bytes] = loop.create_future()
        self._running[mesh] = _Read(path, done)
        done.add_done_callback(lambda _: self._ended(mesh, done))

        def tell(report: Callable[[], None]) -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile, and with it whoever wanted to know
                loop.call_soon_threadsafe(lambda: None if done.done() else report())

        def work() -> None:
            try:
                content = self._read(path)
            except (OSError, ValueError) as exc:
                failure = exc
                tell(lambda: done.set_exception(failure))
            else:
                tell(lambda: done.set_result(content))

        try:
            Thread(target=work, name=f"read for mesh {mesh}", daemon=True).start()
        except RuntimeError as exc:
            done.set_exception(OSError(0, str(exc)))
        return done

    def _ended(self, mesh: str, done: asyncio.Future[bytes]) -> None:
        self._running.pop(mesh, None)
        if not done.cancelled():
            done.exception()  # also where nobody waits any more
