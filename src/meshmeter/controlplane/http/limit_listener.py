"""LimitListener: accepts the connections of one port, within limits (as Go's netutil has one).

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
class _Incoming:
    """One connection at any stage."""

    client: str
    socket: socket.socket
    since: float
    task: asyncio.Task[None] | None = None
    """The TLS handshake."""
    connection: Connection | None = None


class LimitListener:
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
        self._incoming: dict[_Incoming, None] = {}
        self._per_client: Counter[str] = Counter()
        self._unserved: dict[_Incoming, None] = {}
        """Waiting and entering, the oldest first."""
        self._unserved_per_client: Counter[str] = Counter()
        self._idle: dict[_Incoming, None] = {}
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
        return len(self._incoming)

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
        tasks = [incoming.task for incoming in leaving if incoming.task is not None]
        for incoming in leaving:
            self._dismiss(incoming)
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
                len(self._incoming),
            )

    def _admit(self, accepted: socket.socket, address: Any) -> None:
        client = client_of(address[0])
        if len(self._incoming) >= self._limits.connections and self._idle:
            self._refuse(next(iter(self._idle)))
        if (
            len(self._incoming) >= self._limits.connections
            or self._per_client[client] >= self._limits.per_client
            or self._unserved_per_client[client] >= self._limits.waiting_per_client
        ):
            self._on_refused()
            accepted.close()
            return
        accepted.setblocking(False)
        incoming = _Incoming(client, accepted, self._clock())
        self._incoming[incoming] = self._unserved[incoming] = None
        self._per_client[client] += 1
        self._unserved_per_client[client] += 1
        asyncio.get_running_loop().add_reader(accepted, self._first_byte, incoming)

    # Entering

    def _first_byte(self, incoming: _Incoming) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(incoming.socket)
        incoming.task = loop.create_task(self._enter(incoming), name=f"{self._name}: enter")

    async def _enter(self, incoming: _Incoming) -> None:
        if self._make is None:
            return
        inner = self._make()
        incoming.connection = connection = Connection(
            inner,
            self._limits,
            self._clock,
            incoming.since,
            on_change=lambda phase: self._changed(incoming, phase),
            on_lost=lambda: self._lost(incoming, inner),
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
                lambda: connection, incoming.socket, ssl=self._tls, **with_tls
            )
        except OSError as exc:  # TLS errors, time-outs and lost connections are such too
            log.debug("a connection of %s did not come in: %s", incoming.client, exc)
            self._lost(incoming, inner)
        except asyncio.CancelledError:
            self._lost(incoming, inner)
            raise

    def _changed(self, incoming: _Incoming, phase: Phase) -> None:
        if incoming not in self._incoming:
            return
        self._served(incoming)
        self._idle.pop(incoming, None)
        if phase is Phase.IDLE:
            self._idle[incoming] = None

    def _served(self, incoming: _Incoming) -> None:
        if incoming in self._unserved:
            del self._unserved[incoming]
            _discount(self._unserved_per_client, incoming.client)
            self._resume()

    # Leaving

    def _refuse(self, incoming: _Incoming) -> None:
        self._on_refused()
        self._dismiss(incoming)

    def _dismiss(self, incoming: _Incoming) -> None:
        if incoming.connection is None:
            asyncio.get_running_loop().remove_reader(incoming.socket)
            incoming.socket.close()
            if incoming.task is not None:
                incoming.task.cancel()
        elif incoming.task is not None and not incoming.task.done():
            incoming.task.cancel()
        else:
            incoming.connection.abort()
        self._leave(incoming)

    def _lost(self, incoming: _Incoming, inner: asyncio.Protocol) -> None:
        self._by_protocol.pop(inner, None)
        self._leave(incoming)

    def _leave(self, incoming: _Incoming) -> None:
        if incoming not in self._incoming:
            return
        self._served(incoming)
        self._idle.pop(incoming, None)
        del self._incoming[incoming]
        _discount(self._per_client, incoming.client)

    # Looking after them

    def _sweep(self) -> None:
        now = self._clock()
        self.sweeps += 1
        for incoming in list(self._incoming):
            if incoming.connection is not None:
                incoming.connection.check(now)
            elif now - incoming.since > self._limits.head:
                self._dismiss(incoming)
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
