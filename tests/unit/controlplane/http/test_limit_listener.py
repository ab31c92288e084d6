"""Who may come in, how many at a time, and what happens when there is no more room."""

from __future__ import annotations

import asyncio
import os
import resource
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from meshmeter.certs.authority import issue_server, make_authority
from meshmeter.controlplane.http.limits import Limits
from meshmeter.logs import Seldom
from support.envoy_process import until
from support.listeners import request, served


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    now, day = datetime.now(UTC), timedelta(days=1)
    key = ec.generate_private_key(ec.SECP256R1())
    authority = make_authority("test", key, serial=1, now=now, valid_for=day)
    pair = issue_server(authority, ["localhost"], key, serial=2, now=now, valid_for=day)
    (tmp_path / "crt").write_bytes(pair.certificate_pem)
    (tmp_path / "key").write_bytes(pair.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    return context


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def test_with_tls(tls: ssl.SSLContext) -> None:
    async with served(tls=tls) as server:
        client = await server.connect(request(), ssl=trusting())
        assert "200 OK" in await client.answer()


@pytest.mark.parametrize("with_tls", [True, False])
@pytest.mark.attack("B3: connections that say nothing are closed after 10 s")
async def test_who_says_nothing_has_ten_seconds(tls: ssl.SSLContext, with_tls: bool) -> None:
    async with served(tls=tls if with_tls else None) as server:
        client = await server.connect()
        await server.has(1)
        server.clock.now += 11
        assert await client.is_closed()


@pytest.mark.attack("B3: a TLS handshake that stops half way is not waited for")
async def test_a_handshake_has_its_time(tls: ssl.SSLContext) -> None:
    async with served(Limits(head=0.1), tls=tls) as server:
        client = await server.connect(b"\x16\x03\x01\x02\x00\x01")
        assert await client.is_closed()
        await server.has(0)


async def test_what_is_no_tls_leaves_nothing_behind(tls: ssl.SSLContext) -> None:
    async with served(tls=tls) as server:
        client = await server.connect(request())
        await client.reader.read()
        await server.has(0)


async def test_a_client_that_goes_away_before_a_word_leaves_nothing_behind() -> None:
    async with served() as server:
        client = await server.connect()
        await server.has(1)
        client.writer.close()
        await server.has(0)


@pytest.mark.attack("B3: one client's silent connections are refused beyond a number, others come in")
async def test_one_client_may_have_so_many_that_say_nothing() -> None:
    async with served(Limits(per_client=16)) as server:
        silent = [await server.connect() for _ in range(5)]
        await until(lambda: server.refused == 3, "the refusals")
        closed = [client for client in silent if client.reader.at_eof()]
        assert server.listener.connections == 2 and len(closed) <= 3
        elsewhere = await server.connect(request(), local_addr=("127.0.0.2", 0))
        assert "200 OK" in await elsewhere.answer()


async def test_one_client_may_have_so_many() -> None:
    async with served(Limits(per_client=8)) as server:
        for number in range(8):
            client = await server.connect(request("/poll"))
            await until(lambda: server.polls == number + 1, "the poll")  # noqa: B023
        assert await (await server.connect(request())).is_closed()
        client.writer.close()
        await server.has(7)
        assert "200 OK" in await (await server.connect(request())).answer()


@pytest.mark.attack("B3: silent connections that fill a port give way")
async def test_too_many_that_say_nothing_hold_others_up_for_two_seconds_only() -> None:
    async with served(Limits(connections=16)) as server:
        silent = [await server.connect() for _ in range(2)]
        await server.has(2)
        waiting = await server.connect(request())
        seen = server.listener.sweeps
        await until(lambda: server.listener.sweeps > seen + 2, "a look at it")
        assert server.listener.connections == 2
        server.clock.now += 3
        assert "200 OK" in await waiting.answer()
        assert await silent[0].is_closed()


async def test_on_a_full_port_the_one_idle_longest_gives_way() -> None:
    async with served(Limits(connections=3)) as server:
        clients = []
        for _ in range(4):
            client = await server.connect(request())
            await client.answer()
            clients.append(client)
        assert await clients[0].is_closed()
        clients[1].send(request())
        assert "200 OK" in await clients[1].answer()
        await server.has(3)


async def test_who_is_being_answered_does_not_give_way() -> None:
    async with served(Limits(connections=2)) as server:
        polls = [await server.connect(request("/poll")) for _ in range(2)]
        await until(lambda: server.polls == 2, "both polls")
        assert await (await server.connect(request())).is_closed()
        assert server.refused == 1
        server.release.set()
        for poll in polls:
            assert "200 OK" in await poll.answer()


async def test_who_may_not_come_in_does_not_stay() -> None:
    async with served() as server:
        client = await server.connect(request("/secret"))
        assert "401" in await client.answer()
        assert await client.is_closed()


@pytest.mark.attack("B3: no descriptor left is one line of the log, and the port recovers")
async def test_no_descriptor_left_is_told_once_and_passes(caplog: pytest.LogCaptureFixture) -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with served(pause_seconds=0.01, exhaustion=Seldom(60)) as server:
        client = await server.connect()
        await server.has(1)
        waiting = await server.connect(request())
        await server.has(2)
        await waiting.answer()
        late = asyncio.get_running_loop().create_task(server.connect(request()))
        free = os.dup(0)
        os.close(free)
        try:
            # The client's own socket takes the last descriptor.
            resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, limit[1]))
            client_end = await late
            await until(lambda: "cannot accept connections on the test port" in caplog.text, "the line")
            tries = server.listener.exhausted
            await until(lambda: server.listener.exhausted > tries + 3, "some more tries")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        assert "200 OK" in await client_end.answer()
        assert len(caplog.messages) == 1 and "LimitNOFILE" in caplog.text
        client.writer.close()


async def test_closing_ends_those_who_have_not_come_in(tls: ssl.SSLContext) -> None:
    async with served(tls=tls) as server:
        silent = await server.connect()
        half = await server.connect(b"\x16\x03\x01\x02\x00\x01")
        await server.has(2)
        await server.listener.close()
        assert await silent.is_closed() and await half.is_closed()
        await server.has(0)
        with pytest.raises(OSError):
            await server.connect()
