"""A small HTTP server behind a LimitListener, with a clock that tests move, and clients that misbehave."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from meshmeter.controlplane.http.limit_listener import LimitListener
from meshmeter.controlplane.http.limits import IDLE_SECONDS, Limits
from support.envoy_process import until

LARGE = 64 << 20
"""Bytes of an answer that no socket buffers hold."""


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class ServedListener:
    """`/` answers, `/poll` waits for `release`, POST `/read` reads, `/large` answers at length, `/secret` with 401."""

    port: int
    listener: LimitListener
    clock: Clock
    release: asyncio.Event
    polls: int = 0
    read: int = 0
    refused: int = 0
    clients: list[asyncio.StreamWriter] = field(default_factory=list)

    async def connect(self, sent: bytes = b"", **options: Any) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, **options)
        self.clients.append(writer)
        client = Client(reader, writer)
        client.send(sent)
        return client

    async def has(self, connections: int) -> None:
        """Until there are so many."""
        await until(lambda: self.listener.connections == connections, f"{connections} connections")


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> str:
        """The head of one answer, its body read too."""
        async with asyncio.timeout(60):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            length = head.lower().partition("content-length: ")[2].partition("\r\n")[0]
            await self.reader.readexactly(int(length or 0))
        return head

    async def is_closed(self) -> bool:
        """Once the server has ended it, without another byte."""
        async with asyncio.timeout(60):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True


def request(path: str = "/", method: str = "GET", **headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).replace("Content_", "Content-").encode()


@asynccontextmanager
async def served(
    limits: Limits | None = None, tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[ServedListener]:
    import socket

    bound = socket.create_server(("127.0.0.1", 0), backlog=1024)

    def refuse() -> None:
        server.refused += 1

    clock = Clock()
    listener = LimitListener(
        bound,
        limits or Limits(),
        name="test",
        tls=tls,
        clock=clock,
        sweep_seconds=0.01,
        on_refused=refuse,
        **options,
    )
    server = ServedListener(bound.getsockname()[1], listener, clock, asyncio.Event())

    async def index(_request: web.Request) -> web.Response:
        return web.Response(text="here")

    async def secret(_request: web.Request) -> web.Response:
        return web.Response(status=401)

    async def poll(_request: web.Request) -> web.Response:
        server.polls += 1
        await server.release.wait()
        return web.Response(text="changed")

    async def read(request: web.Request) -> web.Response:
        async for chunk in request.content.iter_any():
            server.read += len(chunk)
        return web.Response(text="read")

    async def large(_request: web.Request) -> web.Response:
        return web.Response(body=bytes(LARGE))

    app = web.Application(middlewares=[listener.middleware])
    app.router.add_get("/", index)
    app.router.add_get("/poll", poll)
    app.router.add_get("/secret", secret)
    app.router.add_get("/large", large)
    app.router.add_post("/read", read)
    runner = web.AppRunner(
        app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1, keepalive_timeout=IDLE_SECONDS
    )
    await runner.setup()
    assert runner.server is not None
    listener.open(runner.server)
    try:
        yield server
    finally:
        await listener.close()
        await runner.cleanup()
        for writer in server.clients:
            writer.transport.abort()
        await server.has(0)
