"""Applications as they are in life, over real sockets, and an agent that scrapes them."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from meshmeter.agent.metrics_server import MetricsServer
from meshmeter.scrape.config import ScrapeConfig, SourceConfig, SourceOptions
from support.exposition import samples

Respond = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
GOOD = b"# TYPE good_total counter\ngood_total 1\n"


def with_timeout(seconds: int) -> dict[str, str]:
    """The header of a scraper that waits so long."""
    return {"X-Prometheus-Scrape-Timeout-Seconds": str(seconds)}


LONG = with_timeout(60)
"""Time enough for everything that ends, on any machine."""


async def within_a_deadline(check: Callable[[int], Awaitable[None]]) -> None:
    """`check` with a scraper's timeout of a second. Where the machine is too busy to do what is well in that time, and
    the check fails, again with a longer one; the longest has to do."""
    for seconds in (1, 4, 15):
        with contextlib.suppress(AssertionError):
            return await check(seconds)
    return await check(60)


def answer(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> Respond:
    """A server that always gives this answer and closes."""
    head = [f"HTTP/1.1 {status}", "Connection: close", *headers]
    head.append(f"Content-Length: {len(body) if length is None else length}")

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join([*head, "", ""]).encode() + body)

    return respond


@asynccontextmanager
async def serving(
    respond: Respond, host: str | Path = "127.0.0.1", *, seen: Callable[[bytes], None] = lambda _head: None
) -> AsyncIterator[int]:
    """A server that reads a request's head, which `seen` is shown, and then does what `respond` does; gives its port.
    With a path instead of a host it is a unix socket, and the port 0."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            seen(await reader.readuntil(b"\r\n\r\n"))
            await respond(reader, writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # cancelled: the test is over, and asyncio would log it
        finally:
            writer.close()

    if isinstance(host, Path):
        server: asyncio.Server = await asyncio.start_unix_server(connected, host)
        port = 0
    else:
        server = await asyncio.start_server(connected, host, 0)
        port = server.sockets[0].getsockname()[1]
    try:
        yield port
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


def at(
    port: int,
    name: str = "app",
    address: str = "127.0.0.1",
    path: str = "/metrics",
    timeout: float | None = None,
    body_bytes: int | None = None,
) -> SourceConfig:
    options = SourceOptions(timeout=timeout, body_bytes=body_bytes)
    return SourceConfig(name, address, port, path, options=options)


def patience(reason: str) -> float | None:
    """The timeout of its own for a source of `FAULTS`: one that goes on for ever is waited for a second, and the others
    for as long as they need."""
    return 1.0 if reason == "timeout" else None


def values(body: bytes, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    return {labels: value for found, labels, value in samples(body.decode()) if found == name}


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


def drip(pause: float) -> Respond:
    """A byte after each pause, in seconds."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(pause)

    return respond


async def half_a_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/pl")
    await reader.read()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Half of a body, then not even a proper end of the connection."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + GOOD)
    await writer.drain()
    await asyncio.sleep(0.05)
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def chunked(body: bytes, *headers: str) -> Respond:
    """A whole answer that does not say how long it is."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Connection: close", *headers, "", ""]
        writer.write("\r\n".join(head).encode())
        for start in range(0, len(body), 4096):
            piece = body[start : start + 4096]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    return respond


async def endless_chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = b'a{x="1"} 1\n' * 1000
    while True:
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await writer.drain()


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


async def wrong_chunk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A chunked body that goes wrong in the middle, on a connection that stays open."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na 1\n\r\n")
    await writer.drain()
    writer.write(b"secret 12345\r\n")
    await reader.read()


async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\x01\x02 this is not HTTP\r\n\r\n")


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    return


BOMB = gzip.compress(b"a 1\n" * (8 << 20))

FAULTS: dict[str, tuple[Respond, str]] = {
    "never answers": (silence, "timeout"),
    "one byte at a time": (drip(0.05), "timeout"),
    "one byte a second": (drip(1.0), "timeout"),
    "a head that never ends": (half_a_head, "timeout"),
    "endless headers": (endless_headers, "protocol"),
    "endless body": (endless_body, "too_large"),
    "endless chunks": (endless_chunks, "too_large"),
    "reset in the body": (reset, "protocol"),
    "not HTTP": (garbage, "protocol"),
    "hangs up": (hang_up, "protocol"),
    "cut short": (answer(GOOD, length=1000), "protocol"),
    "a chunk that is none": (wrong_chunk, "protocol"),
    "gzip bomb": (answer(BOMB, "Content-Encoding: gzip"), "too_large"),
    "damaged gzip": (answer(b"\x1f\x8bnonsense", "Content-Encoding: gzip"), "decode"),
    "gzip cut short": (answer(gzip.compress(GOOD)[:-6], "Content-Encoding: gzip"), "decode"),
    "unknown encoding": (answer(GOOD, "Content-Encoding: compress"), "decode"),
    "announced too large": (answer(b"", length=1 << 40), "too_large"),
    "gzip bomb in chunks": (chunked(BOMB, "Content-Encoding: gzip"), "too_large"),
    "error": (answer(b"secret detail", status="500 Oops"), "status"),
    "redirect": (answer(b"", "Location: http://169.254.169.254/", status="302 Found"), "status"),
    "redirect to itself": (answer(b"", "Location: /metrics", status="307 Again"), "status"),
    "garbage": (answer(bytes(range(256)) * 400), "format"),
    "web page": (answer(b"<html>\n<p>hello\n", "Content-Type: text/html"), "format"),
    "protobuf": (
        answer(
            b"\x05abcde",
            "Content-Type: application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily;"
            " encoding=delimited",
        ),
        "format",
    ),
    "unknown charset": (answer(GOOD, "Content-Type: text/plain; charset=zlib"), "decode"),
}
"""Answers that are no metrics, with the reason that is told. Those with `timeout` go on for ever."""

BLEMISHES: dict[str, tuple[Respond, str]] = {
    "too many labels": (
        answer(GOOD + b"wide{" + b",".join(b'l%d="x"' % n for n in range(200)) + b"} 1\n"),
        "label_limit",
    ),
    "long label value": (answer(GOOD + b'wide{l="' + b"x" * 20_000 + b'"} 1\n'), "label_limit"),
    "bad lines": (answer(GOOD + b"1x 1\na{ 2\n\xff\xfe\n"), "malformed_line"),
    "series of ours": (answer(GOOD + b'meshmeter_source_up{source="envoy"} 0\n'), "reserved_name"),
    "series of Envoy": (answer(GOOD + b"envoy_server_live 0\n"), "reserved_name"),
}
"""Answers of which only `GOOD` is usable, with the reason why the rest is dropped."""
