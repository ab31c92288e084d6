"""mads-http: the monitoring assignment service over a real socket, from stored resources to the answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from string import Template
from typing import Any

import aiohttp
from aiohttp import web

from contract.conformance import Case, vectors
from contract.test_mads_assignments import snapshot
from meshmeter.controlplane.published import Published
from meshmeter.controlplane.sd_api import discovery_app, discovery_runner
from meshmeter.mads.assignments import AssignmentSnapshot
from meshmeter.mads.durations import parse_duration


@dataclass(frozen=True)
class Answer:
    status: int
    body: str
    seconds: float


class Scenario:
    """A server, what is stored, and the requests that are open."""

    def __init__(self, resources: list[dict[str, Any]], server: Mapping[str, str]):
        self._resources = list(resources)
        self._server = server
        self._published: Published[AssignmentSnapshot] = Published(self._compile())
        self._saved: dict[str, str] = {}
        self._open: dict[str, asyncio.Task[Answer]] = {}

    def _compile(self) -> AssignmentSnapshot:
        kinds: dict[str, list[dict[str, Any]]] = {"Mesh": [], "Dataplane": []}
        for document in self._resources:
            kinds[document["type"]].append(document)
        return snapshot({"meshes": kinds["Mesh"], "dataplanes": kinds["Dataplane"]})

    async def run(self, steps: list[dict[str, Any]]) -> None:
        async with self._client() as client, asyncio.TaskGroup() as tasks:
            for step in steps:
                await self._step(step, client, tasks)

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[aiohttp.ClientSession]:
        timeout = parse_duration(self._server["defaultFetchTimeout"])
        runner = discovery_runner(discovery_app(self._published, default_fetch_timeout=timeout))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        try:
            async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
                yield session
        finally:
            await runner.cleanup()

    async def _step(
        self, step: dict[str, Any], client: aiohttp.ClientSession, tasks: asyncio.TaskGroup
    ) -> None:
        if "request" in step:
            sending = self._send(step["request"], client)
            if "background" in step:
                self._open[step["background"]] = tasks.create_task(sending)
            else:
                self._check(await sending, step)
        elif "create" in step:
            self._resources.append(step["create"])
            self._published.set(self._compile())
        elif "sleep" in step:
            await asyncio.sleep(parse_duration(step["sleep"]))
        elif "stillPending" in step:
            poll = self._open[step["stillPending"]]
            await asyncio.wait([poll], timeout=parse_duration(step["for"]))
            assert not poll.done()
        elif "await" in step:
            async with asyncio.timeout(parse_duration(step["within"])):
                answer = await self._open[step["await"]]
            self._check(answer, {"expect": step["expect"], "save": step.get("save", {})})
        else:
            raise AssertionError(f"unknown step {step}")

    async def _send(self, request: dict[str, Any], client: aiohttp.ClientSession) -> Answer:
        body = request["text"] if "text" in request else json.dumps(request["json"])
        started = time.monotonic()
        async with client.request(
            request["method"],
            request["path"],
            params=request.get("query", {}),
            headers=request.get("headers", {}),
            data=Template(body).safe_substitute(self._saved),
        ) as response:
            return Answer(response.status, await response.text(), time.monotonic() - started)

    def _check(self, answer: Answer, step: dict[str, Any]) -> None:
        expect = step["expect"]
        assert answer.status == expect["status"], answer.body
        if "within" in expect:
            assert answer.seconds < parse_duration(expect["within"])
        if expect.get("bodyEmpty"):
            assert answer.body == ""
        fields = json.loads(answer.body) if answer.body else {}
        for name, matcher in expect.get("json", {}).items():
            self._match(fields.get(name), matcher)
        for name, field in step.get("save", {}).items():
            self._saved[name] = fields[field]

    def _match(self, value: Any, matcher: dict[str, Any]) -> None:
        if "equals" in matcher:
            assert value == matcher["equals"]
        if matcher.get("nonEmpty"):
            assert value
        if "length" in matcher:
            assert len(value or []) == matcher["length"]
        for item, matchers in zip(value or [], matcher.get("items", []), strict=False):
            for name, inner in matchers.items():
                self._match(item[name], inner)


@vectors("mads-http", "scenario")
async def test_scenario(case: Case) -> None:
    await Scenario(case.data["resources"], case.data["server"]).run(case.data["steps"])
