"""Door: accepts the connections of one port, within limits.

A connection passes through three stages:

    waiting   accepted, and not a byte has come: it costs a socket and nothing more, TLS neither
    entering  TLS handshake, then the head of the first request
    served    a request was read; from then on it is busy, or idle between two requests

Waiting and entering are limited in number and time, because anybody can be there. Too many of one client are closed at
once; too many altogether wait in the kernel's queue until some have gone in, or said nothing for so long that they have
to leave. At the most that a port may have, those that are idle longest give way.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from asyncio import sslproto
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from meshmeter.controlplane.http.clients import client_of
from meshmeter.controlplane.http.connection import Connection, Phase
from meshmeter.controlplane.http.limits import Limits
from meshmeter.logs import Seldom

log = logging.getLogger(__name__)

ACCEPT_AT_ONCE = 64
"""Connections that are accepted before others may work."""

SWEEP_SECONDS = 1.0
"""Between two looks for connections that take too long."""

PAUSE_SECONDS = 1.0
"""Until it is tried again after no descriptor or memory was left."""

TLS_BUFFER = 16 << 10
"""Bytes: what a TLS record may hold. asyncio's own 256 KiB, filled with zeros, are most of what a connection costs."""

_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

_EXHAUSTION = Seldom(60.0)
"""Of all ports together."""


@dataclass(slots=True, eq=False)
class _Visitor:
    """One connection at any stage."""

    client: str
    socket: socket.socket
    since: float
    task: asyncio.Task[None] | None = None
    """The TLS handshake."""
    connection: Connection | None = None


class Door:
    """One per listening socket; `open` begins to accept, `close` ends it. One event loop only."""

    def __init__(
        self,
        listener: socket.socket,
        limits: Limits,
        *,
        name: str,
        tls: SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
        sweep_seconds: float = SWEEP_SECONDS,
        pause_seconds: float = PAUSE_SECONDS,
        exhaustion: Seldom = _EXHAUSTION,
        on_refused: Callable[[], None] = lambda: None,
    ):
        """`on_refused` is told of every connection that is closed because there are too many."""
        listener.setblocking(False)
        self._listener = listener
        self._limits = limits
        self._name = name
        self._tls = tls
        self._clock = clock
        self._sweep_seconds, self._pause_seconds = sweep_seconds, pause_seconds
        self._exhaustion = exhaustion
        self._make: Callable[[], asyncio.Protocol] | None = None
        self._accepting = False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._visitors: dict[_Visitor, None] = {}
        self._per_client: Counter[str] = Counter()
        self._unserved: dict[_Visitor, None] = {}
        """Waiting and entering, the oldest first."""
        self._unserved_per_client: Counter[str] = Counter()
        self._idle: dict[_Visitor, None] = {}
        """Served and without a request, the one idle longest first."""
        self._by_protocol: dict[object, Connection] = {}
        self._on_refused = on_refused
        self.sweeps = 0
        """Looks for connections that take too long, so far."""
        self.exhausted = 0
        """Times that no descriptor or memory was left for a connection."""

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._visitors)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Has to be the outermost one of the application that is served."""
        connection = self._by_protocol.get(request.protocol)
        if connection is None:  # lost meanwhile
            return await handler(request)
        connection.begun(request)
        try:
            response = await handler(request)
            if response.status == 401:
                response.force_close()  # who may not come in does not stay
            return response
        finally:
            connection.answered()

    def open(self, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        """Accept from now on. `make_protocol` is the `web.Server` of a runner."""
        self._make = make_protocol
        if self._tls is not None:
            sslproto.SSLProtocol.max_size = TLS_BUFFER  # there is no argument for it
        self._later("sweep", self._sweep_seconds, self._sweep)
        self._resume()

    async def close(self) -> None:
        """Accept no more, and end what has not become a request; the runner ends the rest. May be repeated."""
        self._suspend()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._make = None
        leaving = list(self._unserved)
        tasks = [visitor.task for visitor in leaving if visitor.task is not None]
        for visitor in leaving:
            self._dismiss(visitor)
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listener.close()

    # Accepting

    def _resume(self) -> None:
        if not self._accepting and self._make is not None:
            self._accepting = True
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _suspend(self) -> None:
        if self._accepting:
            self._accepting = False
            asyncio.get_running_loop().remove_reader(self._listener)

    def _accept(self) -> None:
        for _ in range(ACCEPT_AT_ONCE):
            if not self._has_room():
                self._suspend()  # until somebody has gone in, or the sweep has made room
                return
            try:
                accepted, address = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as exc:
                if exc.errno not in _EXHAUSTED:
                    continue  # a fault of this one connection, see accept(2)
                self._out_of_resources(exc)
                return
            self._admit(accepted, address)

    def _has_room(self) -> bool:
        """Room among those who have not been served; the oldest makes it if it is silent for long."""
        if len(self._unserved) < self._limits.waiting:
            return True
        oldest = next(iter(self._unserved))
        if self._clock() - oldest.since < self._limits.stale:
            return False
        self._refuse(oldest)
        return True

    def _out_of_resources(self, exc: OSError) -> None:
        self.exhausted += 1
        self._suspend()
        self._later("resume", self._pause_seconds, self._resume)
        if self._exhaustion.due() is not None:
            log.error(
                "cannot accept connections on the %s port: %s; there are %d of them, and it goes on by itself when "
                "some have ended: raise LimitNOFILE (or `ulimit -n`), or lower --max-connections",
                self._name,
                exc.strerror,
                len(self._visitors),
            )

    def _admit(self, accepted: socket.socket, address: Any) -> None:
        client = client_of(address[0])
        if len(self._visitors) >= self._limits.connections and self._idle:
            self._refuse(next(iter(self._idle)))
        if (
            len(self._visitors) >= self._limits.connections
            or self._per_client[client] >= self._limits.per_client
            or self._unserved_per_client[client] >= self._limits.waiting_per_client
        ):
            self._on_refused()
            accepted.close()
            return
        accepted.setblocking(False)
        visitor = _Visitor(client, accepted, self._clock())
        self._visitors[visitor] = self._unserved[visitor] = None
        self._per_client[client] += 1
        self._unserved_per_client[client] += 1
        asyncio.get_running_loop().add_reader(accepted, self._first_byte, visitor)

    # Entering

    def _first_byte(self, visitor: _Visitor) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(visitor.socket)
        visitor.task = loop.create_task(self._enter(visitor), name=f"{self._name}: enter")

    async def _enter(self, visitor: _Visitor) -> None:
        if self._make is None:
            return
        inner = self._make()
        visitor.connection = connection = Connection(
            inner,
            self._limits,
            self._clock,
            visitor.since,
            on_change=lambda phase: self._changed(visitor, phase),
            on_lost=lambda: self._lost(visitor, inner),
        )
        self._by_protocol[inner] = connection
        with_tls: dict[str, Any] = {}
        if self._tls is not None:
            with_tls = {
                "ssl_handshake_timeout": self._limits.head,
                "ssl_shutdown_timeout": self._limits.linger,
            }
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, visitor.socket, ssl=self._tls, **with_tls
            )
        except OSError as exc:  # TLS errors, time-outs and lost connections are such too
            log.debug("a connection of %s did not come in: %s", visitor.client, exc)
            self._lost(visitor, inner)
        except asyncio.CancelledError:
            self._lost(visitor, inner)
            raise

    def _changed(self, visitor: _Visitor, phase: Phase) -> None:
        if visitor not in self._visitors:
            return
        self._served(visitor)
        self._idle.pop(visitor, None)
        if phase is Phase.IDLE:
            self._idle[visitor] = None

    def _served(self, visitor: _Visitor) -> None:
        if visitor in self._unserved:
            del self._unserved[visitor]
            _discount(self._unserved_per_client, visitor.client)
            self._resume()

    # Leaving

    def _refuse(self, visitor: _Visitor) -> None:
        self._on_refused()
        self._dismiss(visitor)

    def _dismiss(self, visitor: _Visitor) -> None:
        if visitor.connection is None:
            asyncio.get_running_loop().remove_reader(visitor.socket)
            visitor.socket.close()
            if visitor.task is not None:
                visitor.task.cancel()
        elif visitor.task is not None and not visitor.task.done():
            visitor.task.cancel()
        else:
            visitor.connection.abort()
        self._leave(visitor)

    def _lost(self, visitor: _Visitor, inner: asyncio.Protocol) -> None:
        self._by_protocol.pop(inner, None)
        self._leave(visitor)

    def _leave(self, visitor: _Visitor) -> None:
        if visitor not in self._visitors:
            return
        self._served(visitor)
        self._idle.pop(visitor, None)
        del self._visitors[visitor]
        _discount(self._per_client, visitor.client)

    # Looking after them

    def _sweep(self) -> None:
        now = self._clock()
        self.sweeps += 1
        for visitor in list(self._visitors):
            if visitor.connection is not None:
                visitor.connection.check(now)
            elif now - visitor.since > self._limits.head:
                self._dismiss(visitor)
        if not self._accepting and "resume" not in self._timers:
            self._resume()
        self._later("sweep", self._sweep_seconds, self._sweep)

    def _later(self, what: str, seconds: float, work: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.pop(what, None)
            work()

        self._timers[what] = asyncio.get_running_loop().call_later(seconds, run)


def _discount(counter: Counter[str], client: str) -> None:
    counter[client] -= 1
    if not counter[client]:
        del counter[client]
