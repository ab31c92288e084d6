"""Applications as they are in life, over real sockets, and an agent that scrapes them."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from meshmeter.agent.metrics_server import MetricsServer
from meshmeter.scrape.config import ScrapeConfig, SourceConfig
from support.exposition import samples

Respond = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
GOOD = b"# TYPE good_total counter\ngood_total 1\n"
SHORT = {"X-Prometheus-Scrape-Timeout-Seconds": "1"}


def answer(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> Respond:
    """A server that always gives this answer and closes."""
    head = [f"HTTP/1.1 {status}", "Connection: close", *headers]
    head.append(f"Content-Length: {len(body) if length is None else length}")

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join([*head, "", ""]).encode() + body)

    return respond


@asynccontextmanager
async def serving(
    respond: Respond, host: str = "127.0.0.1", *, seen: Callable[[bytes], None] = lambda _head: None
) -> AsyncIterator[int]:
    """A TCP server that reads a request's head, which `seen` is shown, and then does what `respond` does; gives its
    port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            seen(await reader.readuntil(b"\r\n\r\n"))
            await respond(reader, writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, host, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


class Agent:
    """A metrics server and a scraper before it."""

    def __init__(self, socket: Path, reports: list[dict[str, Any]]):
        self._socket = socket
        self.reports = reports

    async def scrape(self, query: str = "", **headers: str) -> tuple[int, bytes, dict[str, str]]:
        connector = aiohttp.UnixConnector(str(self._socket))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"http://agent/metrics{query}", headers=headers) as response,
        ):
            return response.status, await response.read(), dict(response.headers)

    def source(self, name: str) -> dict[str, Any]:
        return next(source for source in self.reports[-1]["sources"] if source["name"] == name)


@asynccontextmanager
async def agent(tmp_path: Path, admin: Path, *sources: SourceConfig, **more: Any) -> AsyncIterator[Agent]:
    config = ScrapeConfig("1", "default", "web-1", True, sources, **more)
    reports: list[dict[str, Any]] = []
    socket = tmp_path / "agent.sock"
    async with MetricsServer(socket, admin, lambda: config, lambda report, _: reports.append(dict(report))):
        yield Agent(socket, reports)


def at(port: int, name: str = "app", address: str = "127.0.0.1", path: str = "/metrics") -> SourceConfig:
    return SourceConfig(name, address, port, path)


def values(body: bytes, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    return {labels: value for found, labels, value in samples(body.decode()) if found == name}


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.05)


async def endless_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n")
        await writer.drain()


async def endless_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        writer.write(b'a{x="1"} 1\n' * 1000)
        await writer.drain()


async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\x01\x02 this is not HTTP\r\n\r\n")


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    return


BOMB = gzip.compress(b"a 1\n" * (8 << 20))
