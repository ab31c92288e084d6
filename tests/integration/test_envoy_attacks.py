"""What a client may make an Envoy of ours do, by headers and by connections: real Envoys, real sockets."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from support.envoy_process import EnvoyProcess, until
from support.envoy_world import World, carrying, metrics_only, running_world
from support.processes import free_port

ADDRESS = "127.0.0.3"

INSTRUCTIONS = {
    "X-Envoy-Retry-On": "5xx,retriable-status-codes",
    "X-Envoy-Retry-Grpc-On": "unavailable",
    "X-Envoy-Max-Retries": "100",
    "X-Envoy-Retriable-Status-Codes": "200,503",
    "X-Envoy-Retriable-Header-Names": "content-type",
    "X-Envoy-Upstream-Alt-Stat-Name": "chosen_by_the_attacker",
    "X-Envoy-Upstream-Rq-Timeout-Ms": "1",
    "X-Envoy-Upstream-Rq-Per-Try-Timeout-Ms": "1",
    "X-Envoy-Upstream-Rq-Timeout-Alt-Response": "1",
    "X-Envoy-Upstream-Stream-Duration-Ms": "1",
    "X-Envoy-Hedge-On-Per-Try-Timeout": "true",
    "X-Envoy-Force-Trace": "true",
    "X-Envoy-Decorator-Operation": "chosen_by_the_attacker",
    "X-Envoy-Internal": "true",
    "X-Envoy-External-Address": "127.0.0.1",
    "X-Envoy-Original-Path": "/chosen_by_the_attacker",
    "X-Envoy-Original-Url": "http://chosen.by.the.attacker/",
    "X-Envoy-Ip-Tags": "chosen_by_the_attacker",
    "X-Envoy-Downstream-Service-Cluster": "chosen_by_the_attacker",
    "X-Envoy-Something-New": "chosen_by_the_attacker",
    "x-EnVoY-attempt-count": "7",
}

ENVOYS_OWN = {"x-envoy-expected-rq-timeout-ms", "x-envoy-external-address", "x-envoy-original-path"}
"""What Envoy itself tells the agent."""

ORIGINS: tuple[dict[str, str], ...] = (
    {},
    {"X-Forwarded-For": "127.0.0.1"},
    {"X-Forwarded-For": "10.0.0.1, 127.0.0.1"},
)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    with tempfile.TemporaryDirectory(prefix="mm-") as folder:
        async with running_world(Path(folder)) as started:
            yield started


async def left_no_trace(envoy: EnvoyProcess) -> None:
    body = await envoy.prometheus()
    assert "attacker" not in body
    retried = [
        line
        for line in body.splitlines()
        if line.startswith("envoy_cluster_upstream_rq_retry{") and not line.endswith(" 0")
    ]
    assert retried == []


@pytest.mark.attack("B5: X-Envoy-* headers with X-Forwarded-For multiply scrapes or make stats of their own")
async def test_no_header_instructs_the_metrics_listener(world: World) -> None:
    port = free_port()
    world.publish(metrics_only("dp", port))
    envoy = await world.envoy("dp")
    world.agent.status = 503
    for number, origin in enumerate(ORIGINS, 1):
        response = await world.get(f"http://127.0.0.1:{port}/metrics", **INSTRUCTIONS, **origin)
        assert response.status == 503
        assert len(world.agent.requests) == number, "one request is one scrape"
        told = world.agent.headers[-1]
        assert not any("attacker" in value for value in told.values()), told
        assert {name for name in told if name.startswith("x-envoy-")} == ENVOYS_OWN
    await left_no_trace(envoy)


@pytest.mark.attack("B5: X-Envoy-* headers instruct the Envoys between two services")
async def test_no_header_instructs_inbounds_and_outbounds(world: World) -> None:
    seen: list[dict[str, str]] = []

    async def fail(request: web.Request) -> web.Response:
        seen.append({name.lower(): value for name, value in request.headers.items()})
        return web.Response(status=503)

    app = web.Application()
    app.router.add_get("/", fail)
    runner = web.AppRunner(app)
    await runner.setup()
    world.stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    inbound, outbound = free_port(ADDRESS), free_port()
    serves = {
        "port": inbound,
        "servicePort": runner.addresses[0][1],
        "serviceAddress": "127.0.0.1",
        "tags": {"kuma.io/service": "web", "kuma.io/protocol": "http"},
    }
    calls = {"port": outbound, "tags": {"kuma.io/service": "web"}}
    world.publish(
        carrying("web", ADDRESS, inbound=[serves]), carrying("caller", "127.0.0.2", outbound=[calls])
    )
    envoys = [await world.envoy("web"), await world.envoy("caller")]
    expected = 0
    for url in (f"http://{ADDRESS}:{inbound}/", f"http://127.0.0.1:{outbound}/"):
        for origin in ORIGINS:
            expected += 1
            assert (await world.get(url, **INSTRUCTIONS, **origin)).status == 503
            assert len(seen) == expected, f"one request to {url} is one call"
            assert not any("attacker" in value for value in seen[-1].values())
    for envoy in envoys:
        await left_no_trace(envoy)


@pytest.mark.attack("B5: X-Envoy-* headers pass through the metrics proxy")
async def test_no_header_instructs_the_metrics_proxy(world: World) -> None:
    port, proxy_port = free_port(ADDRESS), free_port()
    beside = carrying("beside", "127.0.0.2", metricsProxy={"port": proxy_port})
    world.publish(metrics_only("dp", port, address=ADDRESS), beside)
    envoys = [await world.envoy("dp"), await world.envoy("beside")]
    world.agent.status = 503
    url = f"http://{ADDRESS}:{port}/metrics"
    for number, origin in enumerate(ORIGINS, 1):
        async with world.http.get(
            url, proxy=f"http://127.0.0.1:{proxy_port}", headers={**INSTRUCTIONS, **origin}
        ) as response:
            assert response.status == 503
        assert len(world.agent.requests) == number
    for envoy in envoys:
        await left_no_trace(envoy)


@pytest.mark.attack("B5: an answer of the agent that redirects is followed inside of Envoy")
async def test_envoy_follows_no_redirect(world: World) -> None:
    port = free_port()
    world.publish(metrics_only("dp", port))
    await world.envoy("dp")
    world.agent.status = 302
    async with world.http.get(f"http://127.0.0.1:{port}/metrics", allow_redirects=False) as response:
        assert response.status == 302
    assert len(world.agent.requests) == 1


async def closed(reader: asyncio.StreamReader) -> bytes:
    """What comes until the other side closes."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""


@pytest.mark.attack("B3: huge headers are sent to the metrics endpoint")
async def test_huge_headers_are_refused(world: World) -> None:
    port = free_port()
    world.publish(metrics_only("dp", port))
    await world.envoy("dp")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nA: " + b"a" * (20 << 10) + b"\r\n\r\n")
    answer = await asyncio.wait_for(closed(reader), 60)
    writer.close()
    assert b" 431 " in answer or answer == b""
    assert world.agent.requests == []
    assert (await world.get(f"http://127.0.0.1:{port}/metrics")).status == 200


@pytest.mark.attack("B3: hundreds of silent connections to the metrics endpoint")
async def test_silent_connections_are_bounded(world: World) -> None:
    port = free_port()
    world.publish(metrics_only("dp", port))
    envoy = await world.envoy("dp")
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(600)]
    try:

        async def counted() -> bool:
            body = await envoy.prometheus()
            overflow = [
                line
                for line in body.splitlines()
                if line.startswith("envoy_listener_downstream_cx_overflow{")
            ]
            return any(not line.endswith(" 0") for line in overflow)

        await until(counted, "connections beyond the limit to be turned away")
        refused = await asyncio.gather(
            *(asyncio.wait_for(closed(reader), 60) for reader, _ in silent[-50:]), return_exceptions=True
        )
        assert not any(isinstance(each, BaseException) for each in refused)
    finally:
        for _, writer in silent:
            writer.close()

    async def answers() -> bool:
        return (await world.get(f"http://127.0.0.1:{port}/metrics")).status == 200

    await until(answers, "scrapes to be answered again")
