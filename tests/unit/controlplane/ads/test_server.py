"""The ADS server, asked by a gRPC client of our own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.errors import StartupError
from meshmeter.xds.messages import METHOD, SERVICE
from meshmeter.xds.protos import message
from meshmeter.xds.snapshot import build
from meshmeter.xds.types import CLUSTER
from support.ads import TOKEN, ServedAds, ads_server
from support.conversation import cluster
from support.envoy_process import until

PROXY = ProxyInfo("default", "dp", "/a.sock", "/b.sock")


@pytest.fixture
async def server() -> AsyncIterator[ServedAds]:
    async with ads_server() as running:
        yield running


@asynccontextmanager
async def call(server: ServedAds, *, token: str | None = TOKEN, scheme: str = "Bearer") -> AsyncIterator[Any]:
    """One call; the client sends and reads bytes."""
    credentials = grpc.ssl_channel_credentials(server.authority.certificate_pem)
    async with grpc.aio.secure_channel(f"127.0.0.1:{server.port}", credentials) as channel:
        method = channel.stream_stream(f"/{SERVICE}/{METHOD}")
        metadata = (("authorization", f"{scheme} {token}"),) if token is not None else ()
        stream = method(metadata=metadata)
        try:
            yield stream
        finally:
            stream.cancel()


def first(proxy: ProxyInfo = PROXY, *, node_id: str | None = None, type_url: str = CLUSTER) -> bytes:
    request: Any = message("envoy.service.discovery.v3.DeltaDiscoveryRequest")(type_url=type_url)
    request.node.id = proxy.node_id if node_id is None else node_id
    request.node.metadata.update(proxy.to_metadata())
    request.node.user_agent_build_version.version.major_number = 1
    data: bytes = request.SerializeToString()
    return data


async def status(stream: Any) -> tuple[grpc.StatusCode, str]:
    async with asyncio.timeout(60):
        return await stream.code(), await stream.details()


async def test_a_proxy_gets_its_snapshot_and_is_counted(server: ServedAds) -> None:
    server.cache.set("default", "dp", build([cluster("a")]))
    async with call(server) as stream:
        await stream.write(first())
        response: Any = message("envoy.service.discovery.v3.DeltaDiscoveryResponse").FromString(
            await stream.read()
        )
        assert [r.name for r in response.resources] == ["a"]
        (connected,) = server.hooks.connected
        assert connected.node_id == "default.dp"
        assert connected.envoy_version == "1.0.0"
        assert server.hooks.disconnected == []
    await until(lambda: server.hooks.disconnected == [("default", "dp")], "the end")


async def test_two_streams_of_a_proxy_are_both_served_and_one_end_is_no_end(server: ServedAds) -> None:
    async with call(server) as one:
        await one.write(first())
        async with call(server) as two:
            await two.write(first())
            await until(lambda: len(server.hooks.connected) == 2, "both")
            server.cache.set("default", "dp", build([cluster("a")]))
            assert await one.read()
            assert await two.read()
        await asyncio.sleep(0.1)
        assert server.hooks.disconnected == []
    await until(lambda: server.hooks.disconnected == [("default", "dp")], "the end of the last")


@pytest.mark.parametrize(
    ("options", "proxy", "code", "words"),
    [
        ({"token": None}, PROXY, grpc.StatusCode.UNAUTHENTICATED, "no valid token"),
        ({"token": "wrong"}, PROXY, grpc.StatusCode.UNAUTHENTICATED, "no valid token"),
        ({"scheme": "Basic"}, PROXY, grpc.StatusCode.UNAUTHENTICATED, "no valid token"),
        ({}, ProxyInfo("other", "dp", "/a", "/b"), grpc.StatusCode.PERMISSION_DENIED, "another mesh"),
    ],
)
async def test_without_a_token_for_it_a_proxy_is_turned_away(
    server: ServedAds, options: dict[str, Any], proxy: ProxyInfo, code: grpc.StatusCode, words: str
) -> None:
    async with call(server, **options) as stream:
        with contextlib.suppress(grpc.aio.AioRpcError):  # it may be over already
            await stream.write(first(proxy))
        found, details = await status(stream)
    assert found is code
    assert words in details
    assert server.hooks.connected == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xff\xff", "not a DeltaDiscoveryRequest"),
        (first(type_url=""), "no type_url"),
        (first(node_id="default.another"), "node id"),
        (
            message("envoy.service.discovery.v3.DeltaDiscoveryRequest")(type_url=CLUSTER).SerializeToString(),
            "no node",
        ),
        (first(ProxyInfo("", "dp", "/a", "/b"), node_id="x"), "mesh is missing"),
    ],
    ids=["garbage", "no type", "another node", "no node", "no mesh"],
)
async def test_who_does_not_say_who_it_is_is_turned_away(server: ServedAds, data: bytes, words: str) -> None:
    async with call(server) as stream:
        await stream.write(data)
        found, details = await status(stream)
    assert found is grpc.StatusCode.INVALID_ARGUMENT
    assert words in details


async def test_garbage_later_ends_the_call_only(server: ServedAds) -> None:
    async with call(server) as one, call(server) as two:
        await one.write(first())
        await two.write(first(ProxyInfo("default", "dp-2", "/a", "/b")))
        await until(lambda: len(server.hooks.connected) == 2, "both")
        await one.write(b"\xff\xff\xff")
        assert (await status(one))[0] is grpc.StatusCode.INVALID_ARGUMENT
        server.cache.set("default", "dp-2", build(()))
        assert await two.read()


async def test_a_call_without_a_word_ends(server: ServedAds) -> None:
    async with call(server) as stream:
        await stream.done_writing()
        assert (await status(stream))[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_proxy_that_ends_its_side_is_let_go(server: ServedAds) -> None:
    async with call(server) as stream:
        await stream.write(first())
        await until(lambda: server.hooks.connected, "the stream")
        await stream.done_writing()
        assert (await status(stream))[0] is grpc.StatusCode.OK


async def test_a_port_in_use_is_a_startup_error(server: ServedAds, capfd: pytest.CaptureFixture[str]) -> None:
    second = ServedAds(server.authority, server.server, port=server.port)
    with pytest.raises(StartupError, match="--ads-port"):
        await second.start()


async def test_stop_ends_streams_and_may_be_repeated(server: ServedAds) -> None:
    async with call(server) as stream:
        await stream.write(first())
        await until(lambda: server.hooks.connected, "the stream")
        service = server.service
        assert service is not None
        async with asyncio.timeout(60):
            await server.stop()
            await service.stop()
        assert server.hooks.disconnected == [("default", "dp")]


async def test_a_live_stream_ends_when_its_token_is_good_no_longer() -> None:
    async with ads_server(check_seconds=0.01) as server:
        server.cache.set("default", "dp", build([cluster("a")]))
        async with call(server) as stream:
            await stream.write(first())
            assert await stream.read()
            server.hooks.revoked = True
            assert await status(stream) == (grpc.StatusCode.UNAUTHENTICATED, "the token is revoked")
        await until(lambda: server.hooks.disconnected == [("default", "dp")], "the end")
        async with call(server) as again:
            await again.write(first())
            assert (await status(again))[0] is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.attack("B3: an ADS call without a token is refused before a byte of it is read")
@pytest.mark.parametrize("token", [None, "wrong"])
async def test_the_token_is_judged_before_anything_is_read(server: ServedAds, token: str | None) -> None:
    async with call(server, token=token) as stream:
        # Nothing was written: only the metadata can have been looked at.
        assert (await status(stream))[0] is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.attack("B3: names of a megabyte in an ADS call reach neither the log nor the answer whole")
async def test_names_are_cut_and_escaped_wherever_they_are_shown(
    server: ServedAds, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    name = "x\n" * 2000
    for proxy, node_id in (
        (ProxyInfo("other", name, "/a", "/b"), None),
        (ProxyInfo("default", name, "/a", "/b"), "another"),
        (ProxyInfo("default", name * 500, "/a", "/b"), None),
        (ProxyInfo("default", name, "/a", "/b"), None),
    ):
        async with call(server) as stream:
            await stream.write(first(proxy, node_id=node_id))
            if proxy.mesh == "default" and node_id is None and len(proxy.dataplane) <= 4096:
                await until(lambda: server.hooks.connected, "the stream")
            else:
                assert len((await status(stream))[1]) < 1000
    assert 1 <= len(caplog.text.splitlines()) < 20 and len(caplog.text) < 5000


@pytest.mark.attack("B3: refused ADS calls without end do not fill the log")
async def test_refusals_are_told_seldom(server: ServedAds, caplog: pytest.LogCaptureFixture) -> None:
    credentials = grpc.ssl_channel_credentials(server.authority.certificate_pem)
    async with grpc.aio.secure_channel(f"127.0.0.1:{server.port}", credentials) as channel:
        method = channel.stream_stream(f"/{SERVICE}/{METHOD}")
        for _ in range(100):
            assert (await status(method()))[0] is grpc.StatusCode.UNAUTHENTICATED
    lines = [line for line in caplog.messages if "is not let in" in line]
    assert lines[0] == "127.0.0.1 is not let in: no valid token"
    assert len(lines) < 100


async def test_a_client_may_have_so_many_calls_and_another_after_one_has_ended() -> None:
    async with ads_server(max_calls_per_client=1) as server:
        async with call(server) as one:
            await one.write(first())
            await until(lambda: server.hooks.connected, "the stream")
            async with call(server) as two:
                code, words = await status(two)
                assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
                assert "127.0.0.1 has 1 calls open" in words and "--max-connections-per-client" in words
        await until(lambda: server.hooks.disconnected, "the end of the first")

        async def is_let_in() -> bool:
            async with call(server) as three:
                await three.write(first())
                server.cache.set("default", "dp", build(()))
                return await three.read() is not grpc.aio.EOF

        assert await is_let_in()


def greeting(port: int) -> ssl.SSLSocket:
    """A connection that has begun to speak HTTP/2. Raises OSError if the server does not want it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    connection = context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=60))
    connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)))
    if not connection.recv(100):
        raise ConnectionResetError
    return connection


async def test_connections_beyond_the_most_are_turned_away_until_one_ends() -> None:
    async with ads_server(max_connections=1) as server:
        one = await asyncio.to_thread(greeting, server.port)
        with pytest.raises(OSError):
            await asyncio.to_thread(greeting, server.port)
        one.close()
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(OSError):
                    (await asyncio.to_thread(greeting, server.port)).close()
                    return
