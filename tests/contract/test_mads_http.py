"""mads-http: the monitoring assignment service over a real socket, from stored resources to the answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import aiohttp
from aiohttp import web

from contract.conformance import Case, vectors
from meshmeter.controlplane.discovery.sd_api import discovery_app, discovery_runner
from meshmeter.controlplane.reconcile.published import Published
from meshmeter.durations import parse_duration
from meshmeter.effective.metrics import effective_metrics
from meshmeter.mads.assignments import AssignmentSnapshot, build_assignment, build_snapshot
from meshmeter.resources.codec import decode
from meshmeter.resources.defaults import with_defaults
from meshmeter.store.base import Contents, Put
from meshmeter.store.sqlite import SqliteStore


@dataclass(frozen=True)
class Answer:
    status: int
    body: str
    seconds: float


class Scenario:
    """A store, the server over it, and the requests that are open."""

    def __init__(self, store: SqliteStore, server: Mapping[str, str]):
        self._store = store
        self._server = server
        self._published: Published[AssignmentSnapshot] = Published(build_snapshot(()))
        self._saved: dict[str, str] = {}
        self._open: dict[str, asyncio.Task[Answer]] = {}

    async def run(self, resources: list[dict[str, Any]], steps: list[dict[str, Any]]) -> None:
        for document in resources:
            await self._create(document)
        contents = await self._store.contents()
        self._published.set(compiled(contents))
        async with self._client() as client, asyncio.TaskGroup() as tasks:
            following = tasks.create_task(self._follow(contents.revision))
            for step in steps:
                await self._step(step, client, tasks)
            following.cancel()

    async def _create(self, document: dict[str, Any]) -> None:
        await self._store.commit([Put(with_defaults(decode(document)), expected_version=0)])

    async def _follow(self, revision: int) -> None:
        async for _ in self._store.watch(revision):
            self._published.set(compiled(await self._store.contents()))

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[aiohttp.ClientSession]:
        timeout = parse_duration(self._server["defaultFetchTimeout"])
        runner = discovery_runner(
            discovery_app(self._published, default_fetch_timeout=timeout, authorize=lambda _request: None)
        )
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
            await self._create(step["create"])
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


def compiled(contents: Contents) -> AssignmentSnapshot:
    """The assignments of everything that is stored."""
    meshes = {r.name: r for r in contents.resources if r.kind == "Mesh"}
    dataplanes = [r for r in contents.resources if r.kind == "Dataplane"]
    built = [build_assignment(d, effective_metrics(meshes[d.mesh], d)) for d in dataplanes]
    return build_snapshot(assignment for assignment in built if assignment is not None)


@vectors("mads-http", "scenario")
async def test_scenario(case: Case, tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "meshmeter.db")
    try:
        await Scenario(store, case.data["server"]).run(case.data["resources"], case.data["steps"])
    finally:
        await store.close()
