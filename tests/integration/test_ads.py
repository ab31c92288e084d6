"""What a real Envoy does with our bootstrap, our snapshots and our ADS server."""

from __future__ import annotations

import asyncio
import gzip
import os
import platform
import re
import socket
import ssl
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from meshmeter.certs.authority import KeyPair
from meshmeter.envoy.http import connection_manager
from meshmeter.envoy.listeners import listener
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.resource import Resource
from meshmeter.xds import types
from meshmeter.xds.snapshot import Snapshot, build, pack
from support.envoy_process import EnvoyProcess, until
from support.envoy_world import BODY, World, carrying, metrics_only, running_world
from support.processes import free_port
from support.resources import dataplane


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a path short enough for unix sockets."""
    with tempfile.TemporaryDirectory(prefix="ads-") as path:
        yield Path(path)


@pytest.fixture
async def world(folder: Path) -> AsyncIterator[World]:
    async with running_world(folder) as started:
        yield started


@asynccontextmanager
async def taken(port: int) -> AsyncIterator[None]:
    """Another process's hold on a port."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", port))
        holder.listen()
        yield


async def test_the_metrics_endpoint_answers_on_its_exact_path_only(world: World) -> None:
    port = free_port()
    world.publish(metrics_only("dp", port, path="/custom/metrics"))
    await world.envoy("dp")
    base = f"http://127.0.0.1:{port}"

    response = await world.get(f"{base}/custom/metrics?filter=a%26b&usedonly")
    assert (response.status, await response.text()) == (200, BODY)
    assert world.agent.requests == ["GET /metrics?filter=a%26b&usedonly"]
    assert (await world.get(f"{base}/custom/metrics", "HEAD")).status == 200

    refused = await world.get(f"{base}/custom/metrics", "POST")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")
    for other in ("/", "/metrics", "/custom/metrics/", "/custom/metricsfoo", "/stats"):
        assert (await world.get(base + other)).status == 404, other
    assert len(world.agent.requests) == 2


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain; version=0.0.4; charset=utf-8",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    ],
)
async def test_envoy_compresses_what_the_agent_answers(world: World, content_type: str) -> None:
    port = free_port()
    world.publish(metrics_only("dp", port))
    world.agent.content_type = content_type
    await world.envoy("dp")

    response = await world.get(f"http://127.0.0.1:{port}/metrics", **{"Accept-Encoding": "gzip"})
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["content-type"] == content_type
    assert gzip.decompress(await response.read()).decode() == BODY

    plain = await world.get(f"http://127.0.0.1:{port}/metrics")
    assert "content-encoding" not in plain.headers
    assert await plain.text() == BODY


async def test_an_endpoint_without_agent_answers_503(world: World) -> None:
    port = free_port()
    world.publish(metrics_only("dp", port))
    await world.envoy("dp")
    os.unlink(world.proxy("dp").agent_socket)
    assert (await world.get(f"http://127.0.0.1:{port}/metrics")).status == 503


async def test_traffic_between_two_proxies_has_the_metrics_that_dashboards_ask_for(world: World) -> None:
    application = await world.application("i am backend")
    inbound, outbound, plain = free_port("127.0.0.3"), free_port(), free_port()
    backend = carrying(
        "backend",
        "127.0.0.3",
        inbound=[
            {
                "port": inbound,
                "servicePort": application,
                "serviceAddress": "127.0.0.1",
                "tags": {"kuma.io/service": "backend.v1", "kuma.io/protocol": "http", "version": "1"},
            }
        ],
    )
    frontend = carrying(
        "frontend",
        "127.0.0.2",
        outbound=[
            {"port": outbound, "tags": {"kuma.io/service": "backend.v1"}},
            {"port": plain, "tags": {"kuma.io/service": "backend.v1", "version": "1"}},
        ],
    )
    world.publish(frontend, backend)
    at_backend, at_frontend = await world.envoy("backend"), await world.envoy("frontend")

    for port in (outbound, plain):
        response = await world.get(f"http://127.0.0.1:{port}/")
        assert (response.status, await response.text()) == (200, "i am backend")

    local = f"localhost_{application}"
    served = await at_backend.prometheus()
    assert _value(served, "envoy_cluster_upstream_rq_total", envoy_cluster_name=local) == 2
    assert _value(served, "envoy_http_downstream_rq_total", envoy_http_conn_manager_prefix=local) == 2
    address = {"envoy_listener_address": f"127.0.0.3_{inbound}"}
    assert _value(served, "envoy_listener_downstream_cx_total", worker="0", **address) == 2

    called = await at_frontend.prometheus()
    assert _value(called, "envoy_cluster_upstream_rq_total", envoy_cluster_name="backend_v1") == 1
    hashed = re.findall(
        r'envoy_cluster_upstream_rq_total\{envoy_cluster_name="(backend_v1-[0-9a-f]{16})"\} 1', called
    )
    assert len(hashed) == 1
    assert _value(called, "envoy_http_downstream_rq_total", envoy_http_conn_manager_prefix="backend_v1") == 2
    for name in ("ads_cluster", "kuma_metrics_hijacker"):
        assert _value(called, "envoy_cluster_membership_total", envoy_cluster_name=name) == 1
    assert "kuma:" not in called
    readouts = (await at_frontend.admin("/stats/prometheus?text_readouts"))[1]
    assert f'envoy_control_plane_identifier{{text_value="{platform.node()}"}} 0' in readouts


async def test_a_service_without_endpoints_fails_at_once_and_gets_them_live(world: World) -> None:
    outbound, inbound = free_port(), free_port("127.0.0.3")
    caller = carrying(
        "caller",
        "127.0.0.2",
        outbound=[{"port": outbound, "tags": {"kuma.io/service": "late"}}],
    )
    world.publish(caller)
    await world.envoy("caller")
    with pytest.raises(aiohttp.ClientError):
        await world.get(f"http://127.0.0.1:{outbound}/")

    application = await world.application("late")
    late = {"kuma.io/service": "late", "kuma.io/protocol": "http"}
    port = {"port": inbound, "servicePort": application, "serviceAddress": "127.0.0.1", "tags": late}
    world.publish(carrying("late", "127.0.0.3", inbound=[port]))
    await world.envoy("late")

    async def arrives() -> bool:
        return (await world.get(f"http://127.0.0.1:{outbound}/")).status == 200

    await until(arrives, "the new endpoint")


async def test_tcp_traffic_has_tcp_metrics(world: World) -> None:
    application, inbound = await world.application("raw"), free_port("127.0.0.3")
    tcp = {"port": inbound, "servicePort": application, "serviceAddress": "127.0.0.1"}
    world.publish(carrying("tcp", "127.0.0.3", inbound=[{**tcp, "tags": {"kuma.io/service": "raw"}}]))
    envoy = await world.envoy("tcp")
    assert (await world.get(f"http://127.0.0.3:{inbound}/")).status == 200
    prefix = {"envoy_tcp_prefix": f"localhost_{application}"}
    assert _value(await envoy.prometheus(), "envoy_tcp_downstream_cx_total", **prefix) == 1


async def test_the_port_changes_live(world: World) -> None:
    old, new = free_port(), free_port()
    world.publish(metrics_only("dp", old))
    envoy = await world.envoy("dp")
    assert (await world.get(f"http://127.0.0.1:{old}/metrics")).status == 200

    world.publish(metrics_only("dp", new))

    async def serves() -> bool:
        return (await world.get(f"http://127.0.0.1:{new}/metrics")).status == 200

    await until(serves, "the new port")
    with pytest.raises(aiohttp.ClientConnectionError):
        await world.get(f"http://127.0.0.1:{old}/metrics")
    assert envoy.process.returncode is None
    assert world.ads.hooks.nacks == []


async def test_metrics_switched_off_close_the_port_and_take_the_cluster_away(world: World) -> None:
    port = free_port()
    world.publish(metrics_only("dp", port))
    envoy = await world.envoy("dp")
    world.ads.cache.set("default", "dp", build(()))

    async def gone() -> bool:
        return "kuma_metrics_hijacker" not in await envoy.prometheus()

    await until(gone, "the cluster to go")
    with pytest.raises(aiohttp.ClientConnectionError):
        await world.get(f"http://127.0.0.1:{port}/metrics")


async def test_a_port_in_use_is_told_and_taken_once_it_is_free(world: World) -> None:
    port, other = free_port(), free_port()
    world.publish(metrics_only("dp", other))
    await world.envoy("dp")
    async with taken(port):
        world.publish(metrics_only("dp", port))
        await until(lambda: world.ads.hooks.nacks, "the refusal")
        kind, message = world.ads.hooks.nacks[0]
        assert kind == "Listener"
        assert f"127.0.0.1:{port}" in message
        assert "Address already in use" in message
        assert (await world.get(f"http://127.0.0.1:{other}/metrics")).status == 200, (
            "the old port still serves"
        )

    async def serves() -> bool:
        return (await world.get(f"http://127.0.0.1:{port}/metrics")).status == 200

    await until(serves, "the freed port")
    await until(lambda: world.ads.hooks.acks[-1][0] == "Listener", "the acknowledgement")


async def test_a_proxy_comes_back_to_a_restarted_server_and_gets_what_changed(world: World) -> None:
    port, new = free_port(), free_port()
    world.publish(metrics_only("dp", port))
    await world.envoy("dp")
    connected = await until(lambda: world.ads.hooks.connected[0], "the proxy")
    assert connected.agent_socket == world.proxy("dp").agent_socket
    assert re.fullmatch(r"\d+\.\d+\.\d+", connected.envoy_version)

    await world.ads.stop()
    assert world.ads.hooks.disconnected == [("default", "dp")]
    assert (await world.get(f"http://127.0.0.1:{port}/metrics")).status == 200, "it serves without us"

    world.publish(metrics_only("dp", new))
    await world.ads.start()

    async def serves() -> bool:
        return (await world.get(f"http://127.0.0.1:{new}/metrics")).status == 200

    await until(serves, "the change that was made meanwhile", 30)
    assert len(world.ads.hooks.connected) == 2


async def test_the_admin_interface_is_for_its_user_and_for_what_the_agent_needs(world: World) -> None:
    world.publish(metrics_only("dp", free_port()))
    envoy = await world.envoy("dp")
    assert stat.S_IMODE(envoy.admin_socket.stat().st_mode) == 0o600
    for path in ("/ready", "/stats", "/stats/prometheus?usedonly&filter=^server", "/stats?filter=x"):
        assert (await envoy.admin(path))[0] == 200, path
    for path in ("/config_dump", "/certs", "/server_info", "/help"):
        assert (await envoy.admin(path))[0] == 403, path
    for path in ("/quitquitquit", "/logging?level=trace", "/healthcheck/fail", "/reset_counters"):
        assert (await envoy.admin(path, "POST"))[0] == 403, path
    assert (await envoy.admin("/drain_listeners?graceful", "POST"))[0] == 200


async def test_an_empty_snapshot_does_not_hold_a_proxy_back(world: World) -> None:
    world.ads.cache.set("default", "dp", build(()))
    envoy = await world.envoy("dp", ready=False)
    await until(envoy.is_ready, "a proxy without listeners, which must not wait for 15 s", 10)


async def test_a_proxy_that_is_not_known_yet_waits(world: World) -> None:
    port = free_port()
    envoy = await world.envoy("dp", ready=False)
    await until(lambda: world.ads.hooks.connected, "the proxy to connect")
    assert not await envoy.is_ready()
    world.publish(metrics_only("dp", port))
    await until(envoy.is_ready, "the proxy to be ready")
    assert (await world.get(f"http://127.0.0.1:{port}/metrics")).status == 200


async def test_the_control_plane_may_be_named_by_host(world: World) -> None:
    world.publish(metrics_only("dp", free_port()))
    await world.envoy("dp", host="localhost")
    assert [p.dataplane for p in world.ads.hooks.connected] == ["dp"]


@pytest.mark.parametrize(
    "bootstrap", [{"token": "wrong"}, {"host": "127.0.0.9"}], ids=["token", "server name"]
)
async def test_a_proxy_that_is_not_let_in_gets_nothing(world: World, bootstrap: dict[str, str]) -> None:
    port = free_port()
    world.publish(metrics_only("dp", port))
    envoy = await world.envoy("dp", ready=False, **bootstrap)

    async def failed() -> bool:
        _, text = await envoy.admin(
            "/stats?filter=cluster.ads_cluster.(upstream_rq_total|upstream_cx_connect_fail)"
        )
        return any(not line.endswith(": 0") for line in text.splitlines())

    await until(failed, "an attempt")
    assert world.ads.hooks.connected == []
    with pytest.raises(aiohttp.ClientConnectionError):
        await world.get(f"http://127.0.0.1:{port}/metrics")


async def test_connections_of_a_listener_that_is_replaced_lose_no_request(world: World) -> None:
    """It is drained, and goes on with the cluster that nothing else uses any more."""
    first, second = await world.application("first"), await world.application("second")
    port = free_port("127.0.0.3")
    tags = {"kuma.io/service": "web", "kuma.io/protocol": "http"}

    def forwards_to(application: int) -> Resource[DataplaneSpec]:
        inbound = {"port": port, "servicePort": application, "serviceAddress": "127.0.0.1", "tags": tags}
        return carrying("dp", "127.0.0.3", inbound=[inbound])

    world.publish(forwards_to(first))
    envoy = await world.envoy("dp")
    answers: list[str] = []
    async with aiohttp.ClientSession() as keeping, asyncio.TaskGroup() as tasks:

        async def ask() -> None:
            for _ in range(500):
                async with keeping.get(f"http://127.0.0.3:{port}/") as response:
                    answers.append(f"{response.status} {await response.text()}")
                if answers.count("200 second") > 100:
                    return
                await asyncio.sleep(0.01)

        for _ in range(4):
            tasks.create_task(ask())
        await until(lambda: len(answers) > 20, "answers of the first application")
        world.publish(forwards_to(second))
    assert set(answers) == {"200 first", "200 second"}
    await until(lambda: _without(envoy, f'"localhost_{first}"'), "the cluster to go")


async def test_nothing_that_we_tell_envoy_is_worth_a_warning(world: World) -> None:
    """No deprecated field, no missing limit: HTTP and TCP, both directions, metrics and the metrics proxy."""
    http, raw = free_port("127.0.0.3"), free_port("127.0.0.3")
    inbound = [
        {"port": http, "tags": {"kuma.io/service": "web", "kuma.io/protocol": "http"}, "servicePort": 1},
        {"port": raw, "tags": {"kuma.io/service": "raw"}, "servicePort": 2},
    ]
    outbound = [{"port": free_port(), "tags": {"kuma.io/service": name}} for name in ("web", "raw", "none")]
    made = carrying("dp", "127.0.0.3", inbound=inbound, outbound=outbound, metricsProxy={"port": free_port()})
    world.publish(made)
    envoy = await world.envoy("dp")
    await until(lambda: {"Listener", "Cluster"} <= {kind for kind, _ in world.ads.hooks.acks}, "the snapshot")
    lines = envoy.log.read_text().splitlines()
    assert [line for line in lines if re.search(r"\[(warning|error|critical)\]", line)] == []


async def test_ipv6(world: World) -> None:
    port = free_port()
    world.publish(metrics_only("dp", port, address="::1"))
    await world.envoy("dp")
    assert (await world.get(f"http://[::1]:{port}/metrics")).status == 200


async def test_bad_configuration_of_one_kind_leaves_the_rest_in_place(world: World) -> None:
    """A refused listener keeps the cluster that the serving listener uses, though the snapshot has it no
    more."""
    port, outbound = free_port(), free_port()
    calls = {"port": outbound, "tags": {"kuma.io/service": "any"}}
    world.publish(dataplane("dp", address="127.0.0.1", inbound=[], outbound=[calls], conf={"port": port}))
    envoy = await world.envoy("dp")
    held = free_port()
    async with taken(held):
        world.publish(metrics_only("dp", held))
        await until(lambda: world.ads.hooks.nacks, "the refusal")
        assert 'envoy_cluster_name="any"' in await envoy.prometheus()
    await until(lambda: _without(envoy, 'envoy_cluster_name="any"'), "the cluster to go")


async def _without(envoy: EnvoyProcess, text: str) -> bool:
    return text not in await envoy.prometheus()


def behind_tls(port: int, server: KeyPair) -> Snapshot:
    """A listener whose certificate comes by SDS, under one name whatever the port."""
    certificate = {
        "@type": types.SECRET,
        "name": "certificate",
        "tlsCertificate": {
            "certificateChain": {"inlineString": server.certificate_pem.decode()},
            "privateKey": {"inlineString": server.key_pem.decode()},
        },
    }
    by_sds = {"name": "certificate", "sdsConfig": {"ads": {}, "resourceApiVersion": "V3"}}
    tls = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "commonTlsContext": {"tlsCertificateSdsSecretConfigs": [by_sds]},
    }
    chain = {
        "filters": [connection_manager("tls", {"virtualHosts": []})],
        "transportSocket": {"name": "envoy.transport_sockets.tls", "typedConfig": tls},
    }
    return build([pack(certificate), pack(listener("tls", "127.0.0.1", port, "INBOUND", [chain]))])


async def test_a_listener_changes_at_once_though_its_secret_does_not(world: World) -> None:
    """If Envoy asks again for the secret it has, it does not open the listener until it is answered."""
    trusting = ssl.create_default_context(cadata=world.ads.ca_pem)

    async def handshake(port: int) -> bool:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        writer.close()
        await writer.wait_closed()
        return True

    for port in (free_port(), free_port()):
        world.ads.cache.set("default", "dp", behind_tls(port, world.ads.server))
        if not world.ads.hooks.connected:
            await world.envoy("dp")
        await until(lambda: handshake(port), "a handshake", 5)  # noqa: B023  # it ends within the iteration
    assert world.ads.hooks.nacks == []


async def test_stop_is_quick_with_proxies_connected(world: World) -> None:
    world.publish(metrics_only("dp", free_port()))
    await world.envoy("dp")
    async with asyncio.timeout(60):
        await world.ads.stop()


def _value(body: str, name: str, **labels: str) -> float:
    """The sum of all series of `name` with these labels."""
    found = [
        float(line.rpartition(" ")[2])
        for line in body.splitlines()
        if line.startswith(name + "{") and all(f'{k}="{v}"' in line for k, v in labels.items())
    ]
    assert found, f"no {name} with {labels}"
    return sum(found)
