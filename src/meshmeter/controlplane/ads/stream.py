"""AdsStream: performs one `xds.stream.DeltaStream` for one proxy.

One task reads the proxy's messages, one handles everything in turn: messages, new snapshots, retries. While a
response is being written nothing is handled, and only a few messages are read ahead, so a client that does not
read cannot pile up work.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Protocol

from meshmeter.quoting import words
from meshmeter.xds.cache import SnapshotCache
from meshmeter.xds.messages import Request, Response, decode_request, encode_response
from meshmeter.xds.stream import Acknowledged, DeltaStream, Output, Refused

log = logging.getLogger(__name__)

RETRY_FIRST = 1.0
"""Seconds until something refused is offered again, doubled each time: what stood in its way, such as a port in
use, may go away, and Envoy does not try again by itself."""

RETRY_MOST = 30.0
"""Seconds between two offers at most."""

LINGER = 10.0
"""Seconds for which a proxy keeps what its listeners use no more: those that it replaces are drained for five, unless
its --drain-time says otherwise."""

WRITE_SECONDS = 30.0
"""A client that takes no message for so long is given up."""

IN_THREAD = 64 << 10
"""Messages above this many bytes are decoded beside the event loop."""

INBOX = 8
"""Messages of the proxy that may wait to be handled."""


class StreamHooks(Protocol):
    """What is told of a stream's progress."""

    def on_ack(self, mesh: str, name: str, type_url: str, version: str) -> None:
        """The proxy has taken over this version."""
        ...

    def on_nack(self, mesh: str, name: str, type_url: str, message: str) -> None:
        """The proxy has refused a version, with these words."""
        ...


async def decoded(data: bytes) -> Request:
    """The request, as `decode_request` has it; a large one takes its time beside the event loop."""
    if len(data) > IN_THREAD:
        return await asyncio.to_thread(decode_request, data)
    return decode_request(data)


class SlowClient(Exception):
    """The client does not take what is sent to it."""


class AdsStream:
    """One stream of one proxy, after the proxy said who it is. One event loop only."""

    def __init__(
        self,
        mesh: str,
        name: str,
        *,
        cache: SnapshotCache,
        hooks: StreamHooks,
        write: Callable[[bytes], Awaitable[None]],
        identifier: str = "",
        retry_first: float = RETRY_FIRST,
        write_seconds: float = WRITE_SECONDS,
        linger: float = LINGER,
    ):
        self._key = (mesh, name)
        self._cache = cache
        self._hooks = hooks
        self._write = write
        self._identifier = identifier
        self._write_seconds = write_seconds
        self._stream = DeltaStream(clock=time.monotonic, linger=linger)
        self._inbox: asyncio.Queue[bytes] = asyncio.Queue(INBOX)
        self._wake = asyncio.Event()
        self._updated = True
        self._stopped = False
        self._retry_first = self._pause = retry_first
        self._retry: asyncio.TimerHandle | None = None
        self._retry_due = False
        self._removal: asyncio.TimerHandle | None = None
        self._removal_due = False
        self._refused_types: set[str] = set()

    async def run(self, first: Request, rest: AsyncIterable[bytes]) -> None:
        """Until the proxy ends its side, or `stop`.

        Raises ProtocolError if the proxy does not speak delta ADS, SlowClient if it does not listen, and whatever
        `rest` and `write` raise.
        """
        unwatch = self._cache.watch(*self._key, self._on_update)
        reader = asyncio.get_running_loop().create_task(self._read(rest), name=f"ads {self._key}: read")
        reader.add_done_callback(lambda _: self._wake.set())
        try:
            await self._take_update()
            await self._perform(self._stream.receive(first))
            while not self._stopped:
                await self._handle_what_came()
                if reader.done() and self._inbox.empty():
                    reader.result()
                    return
                await self._wake.wait()
                self._wake.clear()
        finally:
            unwatch()
            self._cancel_retry()
            if self._removal is not None:
                self._removal.cancel()
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    @property
    def in_step(self) -> bool:
        """Whether the proxy has everything that it is to have now, and has said so."""
        return not self._updated and self._inbox.empty() and self._stream.settled

    def stop(self) -> None:
        """End the stream; the proxy keeps what it has and comes back when it can."""
        self._stopped = True
        self._wake.set()

    async def _read(self, rest: AsyncIterable[bytes]) -> None:
        async for data in rest:
            await self._inbox.put(data)
            self._wake.set()

    def _on_update(self) -> None:
        self._updated = True
        self._wake.set()

    def _on_retry(self) -> None:
        self._retry, self._retry_due = None, True
        self._wake.set()

    def _on_removal(self) -> None:
        self._removal, self._removal_due = None, True
        self._wake.set()

    async def _handle_what_came(self) -> None:
        await self._take_update()
        while not self._inbox.empty() and not self._stopped:
            await self._perform(self._stream.receive(await decoded(self._inbox.get_nowait())))
        if self._retry_due:
            self._retry_due = False
            self._pause = min(self._pause * 2, RETRY_MOST)
            await self._perform(self._stream.retry())
        if self._removal_due:
            self._removal_due = False
            await self._perform(self._stream.tidy())

    async def _take_update(self) -> None:
        if not self._updated:
            return
        self._updated = False
        snapshot = self._cache.get(*self._key)
        if snapshot is not None:
            await self._perform(self._stream.update(snapshot))

    async def _perform(self, outputs: list[Output]) -> None:
        """The single interpreter of what the state machine wants."""
        for output in outputs:
            match output:
                case Response():
                    await self._send(encode_response(output, self._identifier))
                case Acknowledged(type_url, version):
                    self._refused_types.discard(type_url)
                    if not self._refused_types:
                        self._pause = self._retry_first
                    self._hooks.on_ack(*self._key, type_url, version)
                case Refused(type_url, message):
                    self._refused_types.add(type_url)
                    said = words(message)
                    log.warning("%s/%s refused %s: %s", *self._key, type_url.rpartition(".")[2], said)
                    self._hooks.on_nack(*self._key, type_url, said)
        if not self._stream.refusing:
            self._cancel_retry()
        elif self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(self._pause, self._on_retry)
        due = self._stream.removal_due
        if due is not None and self._removal is None and not self._removal_due:
            pause = max(0.0, due - time.monotonic())
            self._removal = asyncio.get_running_loop().call_later(pause, self._on_removal)

    async def _send(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(self._write_seconds):
                await self._write(data)
        except TimeoutError as exc:
            raise SlowClient(f"took no message within {self._write_seconds:.0f} s") from exc

    def _cancel_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
