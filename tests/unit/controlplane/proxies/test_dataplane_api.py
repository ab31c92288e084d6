"""The dataplane API as an agent uses it, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from meshmeter.controlplane.http.auth import Verifier
from meshmeter.controlplane.proxies.dataplane_api import MAX_REPORT, DataplaneApi
from meshmeter.controlplane.tokens.limits import RateLimit
from meshmeter.scrape.config import ScrapeConfig
from meshmeter.store.base import Put
from support.control_plane_parts import Parts, running_parts
from support.resources import metered

PROXY = {"instance": "i", "agentSocket": "/run/a.sock", "adminSocket": "/run/e.sock"}
DOCUMENT = {
    "type": "Dataplane",
    "mesh": "default",
    "name": "backend-1",
    "networking": {
        "address": "127.0.0.3",
        "inbound": [{"port": 8080, "tags": {"kuma.io/service": "backend"}}],
    },
}
AGENT_CONFIG = "/v1/proxies/default/backend-1/agent-config"


class Agent:
    """An agent's side of the API."""

    def __init__(self, client: TestClient[Any, Any], token: str):
        self._client = client
        self.headers = {"Authorization": f"Bearer {token}"}

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with self._client.request(method, path, headers=self.headers, **options) as response:
            return response.status, await response.json() if response.content_length else None

    async def register(self, document: dict[str, Any] = DOCUMENT) -> dict[str, Any]:
        status, body = await self.ask("POST", "/v1/proxies", json={"dataplane": document, "proxy": PROXY})
        assert status == 200, body
        return dict(body)


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    async with running_parts(tmp_path) as running:
        await running.store.commit([Put(metered())])
        yield running


@pytest.fixture
async def client(parts: Parts) -> AsyncIterator[TestClient[Any, Any]]:
    api = DataplaneApi(parts.registrar, parts.reconciler, parts.registry, parts.verifier.dataplane)
    async with TestClient(TestServer(api.app())) as connected:
        yield connected


@pytest.fixture
def agent(parts: Parts, client: TestClient[Any, Any]) -> Agent:
    return Agent(client, parts.token())


async def test_a_registration_is_answered_with_bootstrap_and_configuration(agent: Agent) -> None:
    answer = await agent.register()
    assert answer["agentConfig"]["dataplane"] == "backend-1"
    token = agent.headers["Authorization"]
    ads = answer["bootstrap"]["dynamicResources"]["adsConfig"]["grpcServices"][0]
    assert ads["initialMetadata"] == [{"key": "authorization", "value": token}]


async def test_every_fault_of_a_refused_dataplane_is_told(agent: Agent) -> None:
    bad = {**DOCUMENT, "networking": {"address": "0.0.0.0", "inbound": [{"port": 0}]}, "metrix": {}}
    status, body = await agent.ask("POST", "/v1/proxies", json={"dataplane": bad, "proxy": PROXY})
    assert status == 400
    fields = {fault["field"] for fault in body["invalid_parameters"]}
    assert {"metrix", "networking.address", "networking.inbound[0].port"} <= fields


@pytest.mark.parametrize(
    "body", [b"not json", b"[]", b"{}", b'{"dataplane": 1, "proxy": {}}', b"[" * 100_000]
)
async def test_a_body_that_is_no_registration_gives_400(agent: Agent, body: bytes) -> None:
    status, answer = await agent.ask("POST", "/v1/proxies", data=body)
    assert status == 400 and answer["type"] == "/std-errors"


async def test_a_configuration_that_is_known_is_waited_for(agent: Agent, parts: Parts) -> None:
    version = (await agent.register())["agentConfig"]["version"]
    assert (await agent.ask("GET", AGENT_CONFIG))[0] == 200
    assert (await agent.ask("GET", f"{AGENT_CONFIG}?version={version}&wait=0.05"))[0] == 304

    waiting = asyncio.create_task(agent.ask("GET", f"{AGENT_CONFIG}?version={version}&wait=60"))
    while parts.registry.absent_for(("default", "backend-1")):
        await asyncio.sleep(0.01)
    await parts.store.commit([Put(metered(envoy={"usedOnly": True}))])
    status, config = await asyncio.wait_for(waiting, 30)
    assert (status, config["used_only"]) == (200, True)


async def test_a_change_at_the_moment_a_poll_begins_to_wait_is_not_missed(
    agent: Agent, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes after the versions were compared, and before the task that waits for a change runs."""
    config = ScrapeConfig.from_json((await agent.register())["agentConfig"])
    published = parts.reconciler.agent_config("default", "backend-1")
    poll = parts.registry.poll

    def change_soon(mesh: str, name: str) -> AbstractContextManager[None]:
        newer = replace(config, version="newer")
        asyncio.get_running_loop().call_soon(published.set, newer)
        return poll(mesh, name)

    monkeypatch.setattr(parts.registry, "poll", change_soon)
    answer = agent.ask("GET", f"{AGENT_CONFIG}?version={config.version}&wait=60")
    status, body = await asyncio.wait_for(answer, 30)
    assert (status, body["version"]) == (200, "newer")


async def test_an_agent_whose_dataplane_is_gone_is_told_to_register_again(agent: Agent, parts: Parts) -> None:
    assert (await agent.ask("GET", AGENT_CONFIG))[0] == 404
    version = (await agent.register())["agentConfig"]["version"]
    waiting = asyncio.create_task(agent.ask("GET", f"{AGENT_CONFIG}?version={version}&wait=60"))
    await asyncio.sleep(0)
    assert (await agent.ask("DELETE", "/v1/proxies/default/backend-1?instance=i")) == (200, {"removed": True})
    assert (await asyncio.wait_for(waiting, 30))[0] == 404


@pytest.mark.parametrize("wait", ["x", "-1", "nan", "inf"])
async def test_a_wait_that_is_no_time_is_refused(agent: Agent, wait: str) -> None:
    await agent.register()
    status, body = await agent.ask("GET", f"{AGENT_CONFIG}?wait={wait}")
    assert status == 400 and body["invalid_parameters"][0]["field"] == "wait"


async def test_a_report_is_kept_for_explain_and_bounded(agent: Agent, parts: Parts) -> None:
    await agent.register()
    path = "/v1/proxies/default/backend-1/scrape-report"
    assert (await agent.ask("POST", path, json={"status": 200, "sources": []}))[0] == 204
    report = parts.registry.status("default", "backend-1").last_report
    assert report is not None and report["status"] == 200
    assert (await agent.ask("POST", path, data=b" " * (MAX_REPORT + 1)))[0] == 413


async def test_no_token_and_a_foreign_one_are_refused(
    agent: Agent, client: TestClient[Any, Any], parts: Parts
) -> None:
    await agent.register()
    async with client.get(AGENT_CONFIG) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    other = Agent(client, parts.token(name="backend-2"))
    for method, path in (
        ("GET", AGENT_CONFIG),
        ("DELETE", "/v1/proxies/default/backend-1"),
        ("POST", "/v1/proxies/default/backend-1/scrape-report"),
    ):
        assert (await other.ask(method, path))[0] == 403


async def test_a_stop_answers_the_waiting_polls(parts: Parts) -> None:
    api = DataplaneApi(parts.registrar, parts.reconciler, parts.registry, parts.verifier.dataplane)
    async with TestClient(TestServer(api.app())) as client:
        agent = Agent(client, parts.token())
        version = (await agent.register())["agentConfig"]["version"]
        waiting = asyncio.create_task(agent.ask("GET", f"{AGENT_CONFIG}?version={version}&wait=60"))
        while parts.registry.absent_for(("default", "backend-1")):
            await asyncio.sleep(0.01)
        await asyncio.wait_for(client.server.close(), 30)
        assert (await asyncio.wait_for(waiting, 30))[0] == 304


@pytest.mark.attack("B7: a revoked token ends an open long poll of an agent at once")
async def test_a_token_that_becomes_void_ends_its_poll_and_no_other(parts: Parts) -> None:
    revoked: set[str] = set()
    verifier = Verifier({parts.key.id: parts.key}, revoked.__contains__)
    api = DataplaneApi(
        parts.registrar, parts.reconciler, parts.registry, verifier.dataplane, still_good=verifier.check_again
    )
    verifier.watch(api.reconsider)
    async with TestClient(TestServer(api.app())) as client:
        agents = [Agent(client, parts.token(token_id=token_id)) for token_id in ("one", "two")]
        version = (await agents[0].register())["agentConfig"]["version"]
        path = f"{AGENT_CONFIG}?version={version}&wait=60"
        one, two = (asyncio.create_task(agent.ask("GET", path)) for agent in agents)
        async with asyncio.timeout(60):
            while api.waiting < 2:
                await asyncio.sleep(0)
        revoked.add("one")
        verifier.withdrawn()
        status, body = await asyncio.wait_for(one, 30)
        assert status == 401 and "revoked" in body["detail"]
        assert not two.done() and api.waiting == 1
        two.cancel()


@pytest.mark.attack("B4: one token registers again and again")
async def test_a_token_that_registers_too_often_is_told_when_to_come_back(parts: Parts) -> None:
    rate = RateLimit(2, "registrations", "--registrations-per-token", lambda: 0.0)
    api = DataplaneApi(parts.registrar, parts.reconciler, parts.registry, parts.verifier.dataplane, rate)
    async with TestClient(TestServer(api.app())) as client:
        headers = {"Authorization": f"Bearer {parts.token()}"}
        # What is refused for another reason counts too: it costs as much.
        for body, expected in (({"dataplane": DOCUMENT, "proxy": PROXY}, 200), ({}, 400), ({}, 429)):
            async with client.post("/v1/proxies", json=body, headers=headers) as response:
                assert response.status == expected
                answer = await response.json()
        assert response.headers["Retry-After"] == "30"
        assert "2 registrations a minute" in answer["detail"]
        assert "--registrations-per-token" in answer["detail"]
        async with client.get(AGENT_CONFIG, headers=headers) as response:
            assert response.status == 200, "what is registered goes on"
