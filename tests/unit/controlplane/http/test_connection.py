"""A connection has to move on: with heads, bodies and answers, on real sockets with a clock of ours."""

from __future__ import annotations

import pytest

from support.envoy_process import until
from support.listeners import request, served


async def test_requests_are_answered_one_after_another() -> None:
    async with served() as server:
        client = await server.connect(request())
        assert "200 OK" in await client.answer()
        client.send(request())
        assert "200 OK" in await client.answer()


@pytest.mark.attack("B3: the head of a request that comes byte by byte is not waited for")
async def test_the_head_of_a_request_has_ten_seconds() -> None:
    async with served() as server:
        client = await server.connect(request()[:10])
        await server.has(1)
        server.clock.now += 9
        client.send(request()[10:12])
        server.clock.now += 2
        assert await client.is_closed()


async def test_so_has_the_head_of_a_later_request() -> None:
    async with served() as server:
        client = await server.connect(request())
        await client.answer()
        server.clock.now += 50
        client.send(request()[:10])
        # It is idle until these bytes have come; then the ten seconds run.
        while server.listener.connections:
            server.clock.now += 5
            seen = server.listener.sweeps
            await until(lambda: server.listener.sweeps > seen, "a look at it")  # noqa: B023
            assert server.clock.now < 10_000
        assert await client.is_closed()


async def test_who_waits_for_an_answer_may_wait() -> None:
    async with served() as server:
        client = await server.connect(request("/poll"))
        await until(lambda: server.polls, "the poll")
        server.clock.now += 3600
        await until(lambda: server.listener.sweeps > 2, "a look at it")
        server.release.set()
        assert "200 OK" in await client.answer()


@pytest.mark.attack("B3: the body of a request that comes byte by byte is not waited for")
async def test_a_body_has_to_come_at_a_least_rate() -> None:
    async with served() as server:
        client = await server.connect(request("/read", "POST", Content_Length="100000"))
        for read in (20_000, 40_000):
            client.send(bytes(20_000))
            await until(lambda: server.read == read, "the bytes")  # noqa: B023
            server.clock.now += 11
            seen = server.listener.sweeps
            await until(lambda: server.listener.sweeps > seen + 1, "a look at it")  # noqa: B023
            assert server.listener.connections == 1
        client.send(bytes(100))
        await until(lambda: server.read == 40_100, "the bytes")
        server.clock.now += 11
        assert await client.is_closed()


@pytest.mark.attack("B3: an answer that nobody reads is not kept")
async def test_an_answer_has_to_be_taken_at_a_least_rate() -> None:
    async with served() as server:
        client = await server.connect(request("/large"), limit=1 << 16)
        assert await client.reader.readuntil(b"\r\n\r\n")
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        while server.listener.connections:
            server.clock.now += 5
            seen = server.listener.sweeps
            await until(lambda: server.listener.sweeps > seen, "a look at it")  # noqa: B023
            assert server.clock.now < 10_000
