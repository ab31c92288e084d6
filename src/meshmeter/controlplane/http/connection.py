"""Connection: stands between a transport and the HTTP protocol of aiohttp, and ends what takes too long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum, auto

from aiohttp import web

from meshmeter.controlplane.http.limits import Limits


class Phase(Enum):
    """What a connection is at."""

    HEAD = auto()
    """The client has to send (the rest of) the head of a request."""
    BUSY = auto()
    """A request is being answered; its body may still be on the way."""
    IDLE = auto()
    """Everything is answered."""


class Connection(asyncio.Protocol):
    """The protocol of one connection; `inner` does the work.

    `begun` and `answered` tell of requests; `check` is called now and then with the time, and breaks the connection off
    if it does not move on. The time for the first head runs from `since`. `on_change` is told of every change of the
    phase, `on_lost` of the end.
    """

    def __init__(
        self,
        inner: asyncio.Protocol,
        limits: Limits,
        clock: Callable[[], float],
        since: float,
        on_change: Callable[[Phase], None],
        on_lost: Callable[[], None],
    ):
        self._inner = inner
        self._limits = limits
        self._clock = clock
        self._on_change = on_change
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._phase = Phase.HEAD
        self._since = since
        self._request: web.BaseRequest | None = None
        self._received = self._received_before = 0
        """Bytes in all, and those before the head of this request."""
        self._reading = _Progress(limits, self._since)
        self._writing: _Progress | None = None
        self._closing: float | None = None

    # What requests do

    def begun(self, request: web.BaseRequest) -> None:
        """The head of a request has been read."""
        self._request = request
        self._reading = _Progress(self._limits, self._clock(), self._received_before)
        self._enter(Phase.BUSY)

    def answered(self) -> None:
        """Its answer is made; aiohttp writes it."""
        self._request = None
        self._enter(Phase.IDLE)

    def abort(self) -> None:
        """Break the connection off now."""
        if self._transport is not None:
            self._transport.abort()

    def check(self, now: float) -> None:
        """Break the connection off if the client takes too long."""
        transport = self._transport
        if transport is None:
            return
        if self._is_too_late(transport, now):
            transport.abort()

    def _is_too_late(self, transport: asyncio.Transport, now: float) -> bool:
        if transport.is_closing():
            self._closing = now if self._closing is None else self._closing
            return now - self._closing > self._limits.linger
        if self._phase is Phase.HEAD and now - self._since > self._limits.head:
            return True
        if self._request is not None and not self._request.content.is_eof():
            if not transport.is_reading():
                self._reading = _Progress(self._limits, now, self._received)  # we are the ones who are slow
            elif self._reading.is_too_slow(now, self._received):
                return True
        if self._writing is not None:
            return self._writing.is_too_slow(now, -transport.get_write_buffer_size())
        return False

    def _enter(self, phase: Phase) -> None:
        self._phase, self._since = phase, self._clock()
        self._on_change(phase)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = self._request = None
        self._inner.connection_lost(exc)
        self._on_lost()

    def data_received(self, data: bytes) -> None:
        if self._phase is Phase.IDLE:
            self._received_before = self._received
            self._enter(Phase.HEAD)
        self._received += len(data)
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        assert self._transport is not None
        self._writing = _Progress(self._limits, self._clock(), -self._transport.get_write_buffer_size())
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._writing = None
        self._inner.resume_writing()


class _Progress:
    """Whether a number of bytes grows fast enough."""

    def __init__(self, limits: Limits, now: float, count: int = 0):
        self._limits = limits
        self._since, self._count = now, count

    def is_too_slow(self, now: float, count: int) -> bool:
        if now - self._since < self._limits.window:
            return False
        if count - self._count < self._limits.least:
            return True
        self._since, self._count = now, count
        return False
