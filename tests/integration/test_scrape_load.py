"""Scrapers and agents that mean no good, or go in circles: what they may cost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from meshmeter.agent.coalescing import Room
from meshmeter.agent.metrics_server import MetricsServer
from meshmeter.scrape.config import ScrapeConfig, SourceConfig
from support.envoy_process import until
from support.processes import ControlPlane, free_port, samples
from support.proxies import dataplane_document, start_proxy
from support.sources import GOOD, Agent, agent, answer, at, serving

ENTRIES = 4


@asynccontextmanager
async def reachable(path: Path, seen: list[int]) -> AsyncIterator[int]:
    """A port that leads to an agent's socket, as Envoy's metrics listener does; `seen` gets an item per connection."""
    pumps: set[asyncio.Task[None]] = set()

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                sink.write(data)
        sink.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(1)
        inner_reader, inner_writer = await asyncio.open_unix_connection(str(path))
        for pair in ((reader, inner_writer), (inner_reader, writer)):
            pumps.add(asyncio.create_task(pump(*pair)))

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in pumps:
            task.cancel()


@asynccontextmanager
async def a_circle(folder: Path, length: int, seen: list[int]) -> AsyncIterator[list[Agent]]:
    """Agents of which each has entries that lead to the next, and the last to the first."""
    async with AsyncExitStack() as stack:
        homes = [folder / str(number) for number in range(length)]
        ports = []
        for home in homes:
            home.mkdir()
            await stack.enter_async_context(
                serving(answer(b"# TYPE envoy_x gauge\nenvoy_x 1\n"), home / "admin.sock")
            )
            ports.append(await stack.enter_async_context(reachable(home / "agent.sock", seen)))
        agents = []
        for number, home in enumerate(homes):
            port = ports[(number + 1) % length]
            entries = (at(port, f"app-{each}") for each in range(ENTRIES))
            agents.append(await stack.enter_async_context(agent(home, home / "admin.sock", *entries)))
        yield agents


@pytest.mark.attack("B6: agents whose entries lead in a circle, of any length, fetch once around it at most")
@pytest.mark.parametrize("length", [1, 2, 3, 6])
async def test_a_circle_of_agents(tmp_path: Path, length: int) -> None:
    seen: list[int] = []
    async with a_circle(tmp_path, length, seen) as agents:
        status, body, _ = await agents[0].scrape()
        assert status == 200 and b"envoy_x 1" in body
        assert len(seen) <= ENTRIES * min(length, 4)
        ends = [s["detail"] for a in agents if a.reports for s in a.reports[-1]["sources"] if not s["up"]]
        assert len(ends) == ENTRIES and all(end.startswith("HTTP status 508") for end in ends)


@pytest.mark.attack("B6: agents in a circle that are scraped at the same time do not wait for each other")
async def test_a_circle_whose_agents_are_all_scraped(tmp_path: Path) -> None:
    seen: list[int] = []
    async with a_circle(tmp_path, 3, seen) as agents:
        results = await asyncio.gather(*(each.scrape() for each in agents))
        assert [status for status, _, _ in results] == [200, 200, 200]
        errors = {s["error"] for a in agents for report in a.reports for s in report["sources"]}
        assert errors == {None, "status"}, "nothing ran into its deadline"
    assert len(seen) <= 3 * 3 * ENTRIES


@pytest.mark.attack("B6: two proxies whose entries lead to each other's metrics listener, through Envoy")
def test_a_circle_through_envoy(control_plane: ControlPlane) -> None:
    addresses, ports = ("127.0.0.2", "127.0.0.3"), (free_port("127.0.0.2"), free_port("127.0.0.3"))
    proxies = []
    # One entry leads there: several would share one answer of the other, or not, if the machine is busy.
    for mine, other, name, count in ((0, 1, "one", 1), (1, 0, "other", ENTRIES)):
        entries = [{"name": f"e{n}", "port": ports[other], "address": addresses[other]} for n in range(count)]
        made = dataplane_document(
            name, addresses[mine], service_port=80, metrics_port=ports[mine], aggregate=entries
        )
        proxies.append(start_proxy(control_plane, made, options=("--concurrency=1", "--drain-time=0s")))
    for proxy in proxies:
        proxy.wait()
    before = [_refused(proxy.work_dir) for proxy in proxies]
    body = proxies[0].metrics()
    assert samples(body, "meshmeter_source_up", source="e0") == {'meshmeter_source_up{source="e0"}': 1}
    assert [_refused(proxy.work_dir) - earlier for proxy, earlier in zip(proxies, before, strict=True)] == [
        ENTRIES,
        0,
    ], "the request that came back, once for each entry that the other has"


def _refused(work_dir: Path) -> float:
    """How many requests an agent answered with 508."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(work_dir / "self.sock"))
        asking.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        with asking.makefile("rb") as told:
            text = told.read().decode()
    return sum(samples(text, "meshmeter_agent_scrapes_total", code="508").values())


# Slow readers


def body(families: int) -> bytes:
    """About a kilobyte each."""
    return b"".join(
        b'# TYPE envoy_%d gauge\nenvoy_%d{x="%b"} 1\n' % (n, n, b"x" * 1000) for n in range(families)
    )


BODY = body(4000)


@asynccontextmanager
async def a_large_envoy(
    folder: Path,
    *sources: SourceConfig,
    on_report: Callable[..., None] = lambda *_: None,
    text: bytes = BODY,
    **options: Any,
) -> AsyncIterator[Path]:
    """An agent beside an Envoy with a long answer; its socket."""
    config = ScrapeConfig("1", "default", "web-1", True, sources)
    path = folder / "agent.sock"
    async with (
        serving(answer(text), folder / "admin.sock"),
        MetricsServer(path, folder / "admin.sock", lambda: config, on_report, **options),
    ):
        yield path


async def ask(path: Path, query: str = "") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A scraper that has asked and has not read."""
    reader, writer = await asyncio.open_unix_connection(str(path), limit=1024)
    writer.write(f"GET /metrics{query} HTTP/1.1\r\nHost: agent\r\n\r\n".encode())
    return reader, writer


async def head(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(60):
        return await reader.readuntil(b"\r\n\r\n")


@pytest.mark.attack("B6: scrapers with different filters that do not read their answers")
@pytest.mark.parametrize(("room", "slow"), [(Room(answers=3), 3), (Room(bytes=10 << 20), 2)])
async def test_slow_readers_with_different_filters(tmp_path: Path, room: Room, slow: int) -> None:
    async with a_large_envoy(tmp_path, room=room) as path:
        connections = []
        for number in range(slow):
            reader, writer = await ask(path, f"?filter={number}")
            assert (await head(reader)).startswith(b"HTTP/1.1 200")
            connections.append(writer)

        async def is_refused() -> bool:
            reader, writer = await ask(path, "?filter=another")
            try:
                told = await head(reader)
                return told.startswith(b"HTTP/1.1 503") and b"Retry-After: 1\r\n" in told
            finally:
                writer.transport.abort()

        await until(is_refused, "another scraper to be refused")
        assert await is_refused(), "as long as nobody leaves"
        for writer in connections:
            writer.transport.abort()

        async def is_answered() -> bool:
            return not await is_refused()

        await until(is_answered, "room to be there again")


@pytest.mark.attack("B6: a scraper that never reads its answer is left after a while")
async def test_a_reader_that_takes_too_long(tmp_path: Path) -> None:
    async with a_large_envoy(tmp_path, read_seconds=0.2) as path:
        reader, writer = await ask(path)
        await head(reader)
        await until(lambda: _is_closed_by_peer(writer), "the agent to hang up")
        with contextlib.suppress(ConnectionError):
            assert len(await reader.read()) < len(BODY)
        writer.close()


def _is_closed_by_peer(writer: asyncio.StreamWriter) -> bool:
    try:
        writer.write(b"x")
    except ConnectionError:
        return True
    return writer.is_closing()


@pytest.mark.attack("B7: scrapers that leave in mid-answer leave no traceback")
async def test_scrapers_that_leave_in_mid_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each leaves when the last piece of its answer has been made and was not sent."""
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    leavers: list[socket.socket] = []

    def leave(*_report: object) -> None:
        leavers[-1].close()

    accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"  # so that all is sent at the end, at once
    async with (
        serving(answer(GOOD)) as port,
        a_large_envoy(tmp_path, at(port), on_report=leave, text=body(500)) as path,
    ):
        with caplog.at_level(logging.WARNING):
            for query in ("", "?filter=x"):
                leavers.append(socket.socket(socket.AF_UNIX))
                leavers[-1].connect(str(path))
                asked = f"GET /metrics{query} HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n"
                leavers[-1].sendall(asked.encode())
                await until(lambda: leavers[-1].fileno() < 0, "the scraper to leave")
    assert not failures and not caplog.records
