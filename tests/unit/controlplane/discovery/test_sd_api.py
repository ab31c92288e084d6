"""The discovery API over real sockets: long polls, conditional requests, access, bad input."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from meshmeter.controlplane.discovery.sd_api import (
    DISCOVERY_PATH,
    MAX_REQUEST,
    TARGETS_PATH,
    discovery_app,
    discovery_runner,
)
from meshmeter.controlplane.reconcile.published import Published
from meshmeter.effective.metrics import effective_metrics
from meshmeter.errors import PermissionDenied, Unauthenticated
from meshmeter.mads.assignments import TYPE_URL, AssignmentSnapshot, build_assignment, build_snapshot
from support.resources import dataplane, metered


def snapshot(*places: str) -> AssignmentSnapshot:
    """Assignments for `mesh/name`."""
    built = []
    for place in places:
        mesh, name = place.split("/")
        subject = dataplane(name, mesh=mesh)
        assignment = build_assignment(subject, effective_metrics(metered(mesh), subject))
        assert assignment is not None
        built.append(assignment)
    return build_snapshot(built)


class Watched(Published[AssignmentSnapshot]):
    """Lets a test see who waits."""

    def __init__(self, value: AssignmentSnapshot):
        super().__init__(value)
        self.waiting = 0
        self.waits = 0
        """How often anybody began to wait."""
        self._moved = asyncio.Event()

    async def next(self) -> AssignmentSnapshot:
        self.waiting += 1
        self.waits += 1
        self._moved.set()
        try:
            return await super().next()
        finally:
            self.waiting -= 1
            self._moved.set()

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not reached():
                self._moved.clear()
                await self._moved.wait()


class Served:
    """A running discovery API and a client."""

    def __init__(self, published: Watched, session: aiohttp.ClientSession, runner: web.AppRunner):
        self.published, self.session, self.runner = published, session, runner

    async def poll(self, version: str = "", timeout: str | None = None, **fields: Any) -> tuple[int, Any]:
        query = {} if timeout is None else {"fetch-timeout": timeout}
        body = {"version_info": version, "node": {"id": "test"}} | fields
        async with self.session.post(DISCOVERY_PATH, json=body, params=query) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None

    async def get(self, query: str = "", **headers: str) -> tuple[int, Any, aiohttp.ClientResponse]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.get(f"{TARGETS_PATH}{query}", headers=named) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None, response

    async def until_waiting(self, polls: int) -> None:
        """Return when so many polls wait for a change."""
        await self.published.until(lambda: self.published.waiting == polls)

    async def until_waited(self, times: int) -> None:
        """Return when polls have begun to wait so many times in all."""
        await self.published.until(lambda: self.published.waits == times)


@asynccontextmanager
async def served(*places: str, **options: Any) -> AsyncIterator[Served]:
    published = Watched(snapshot(*places))
    runner = discovery_runner(discovery_app(published, **{"authorize": lambda _request: None, **options}))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with aiohttp.ClientSession(f"http://{host}:{port}", auto_decompress=True) as session:
        try:
            yield Served(published, session, runner)
        finally:
            await runner.cleanup()


# Polls


async def test_an_unknown_version_is_answered_at_once() -> None:
    async with served("default/a") as api:
        for version in ("", "unknown"):
            status, answer = await api.poll(version)
            assert status == 200
            assert answer["type_url"] == TYPE_URL
            assert answer["version_info"] == api.published.value.version
            assert [r["targets"][0]["name"] for r in answer["resources"]] == ["a"]


@pytest.mark.parametrize("timeout", ["0s", "0", "-1s", "10ms"])
async def test_the_known_version_is_not_modified(timeout: str) -> None:
    async with served("default/a") as api:
        assert await api.poll(api.published.value.version, timeout) == (304, None)


async def test_the_server_says_how_long_to_wait_when_the_client_does_not() -> None:
    async with served("default/a", default_fetch_timeout=0.01) as api:
        assert await api.poll(api.published.value.version) == (304, None)


async def test_no_poll_waits_longer_than_the_limit() -> None:
    async with served("default/a", max_wait=0.01) as api:
        assert await api.poll(api.published.value.version, "1d") == (304, None)


async def test_every_waiting_poll_wakes_on_a_change() -> None:
    async with served("default/a") as api, asyncio.TaskGroup() as tasks:
        known = api.published.value.version
        polls = [tasks.create_task(api.poll(known, "1d")) for _ in range(5)]
        await api.until_waiting(5)
        api.published.set(snapshot("default/a", "default/b"))
        for poll in polls:
            status, answer = await poll
            assert status == 200 and len(answer["resources"]) == 2
        assert answer["version_info"] != known


async def test_a_publication_of_the_same_content_wakes_nobody() -> None:
    async with served("default/a") as api, asyncio.TaskGroup() as tasks:
        poll = tasks.create_task(api.poll(api.published.value.version, "1h"))
        await api.until_waiting(1)
        api.published.set(snapshot("default/a"))
        await api.until_waited(2)
        assert not poll.done()
        api.published.set(snapshot())
        status, answer = await poll
        assert status == 200 and "resources" not in answer


async def test_a_client_that_hangs_up_frees_its_poll() -> None:
    async with served("default/a") as api:
        poll = asyncio.create_task(api.poll(api.published.value.version, "1h"))
        await api.until_waiting(1)
        poll.cancel()
        await asyncio.wait([poll])
        await api.until_waiting(0)


async def test_stopping_answers_waiting_polls() -> None:
    async with served("default/a") as api, asyncio.TaskGroup() as tasks:
        polls = [tasks.create_task(api.poll(api.published.value.version, "1h")) for _ in range(3)]
        await api.until_waiting(3)
        await asyncio.wait_for(api.runner.cleanup(), 60)
        assert [await poll for poll in polls] == [(304, None)] * 3


async def test_only_the_named_resources() -> None:
    async with served("default/a", "default/b") as api:
        name = "/meshes/default/dataplanes/b"
        _, answer = await api.poll(resource_names=[name])
        assert [r["targets"][0]["name"] for r in answer["resources"]] == ["b"]
        assert await api.poll(answer["version_info"], "0s", resource_names=[name]) == (304, None)


@pytest.mark.parametrize(
    ("query", "body", "title"),
    [
        ("?fetch-timeout=not-a-timeout", b"{}", "Could not parse fetch-timeout"),
        ("?fetch-timeout=", b"{}", "Could not parse fetch-timeout"),
        ("", b"{not json", "Could not parse request body"),
        ("", b"", "Could not parse request body"),
        ("", b'{"version_info": {}}', "Could not parse request body"),
    ],
)
async def test_a_bad_request_is_named(query: str, body: bytes, title: str) -> None:
    async with served() as api, api.session.post(f"{DISCOVERY_PATH}{query}", data=body) as response:
        answer = await response.json()
        assert (response.status, answer["status"], answer["title"]) == (400, 400, title)
        assert answer["type"] == "/std-errors"
        assert answer["detail"] and answer["detail"] == answer["details"]


async def test_a_body_that_is_too_large() -> None:
    async with (
        served() as api,
        api.session.post(DISCOVERY_PATH, data=io.BytesIO(b" " * (MAX_REQUEST + 1))) as response,
    ):
        assert response.status == 413
        assert (await response.json())["type"] == "/std-errors"


# HTTP SD


async def test_targets_with_their_etag() -> None:
    async with served("default/a", "shop/b") as api:
        status, groups, response = await api.get()
        assert (status, response.content_type) == (200, "application/json")
        assert [group["labels"]["instance"] for group in groups] == ["a", "b"]
        etag = response.headers["ETag"]
        for known in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
            status, body, response = await api.get(If_None_Match=known)
            assert (status, body, response.headers["ETag"]) == (304, None, etag)
        for other in ('"other"', "garbage"):
            assert (await api.get(If_None_Match=other))[0] == 200


async def test_the_etag_of_a_selection_is_its_own() -> None:
    async with served("default/a", "shop/b") as api:
        _, groups, response = await api.get("?mesh=shop&service=backend")
        assert [group["labels"]["instance"] for group in groups] == ["b"]
        api.published.set(snapshot("default/a", "default/c", "shop/b"))
        assert (await api.get("?mesh=shop", If_None_Match=response.headers["ETag"]))[0] == 304
        assert (await api.get("?mesh=nowhere"))[1] == []


async def test_a_misspelt_parameter_is_named() -> None:
    async with served() as api:
        status, answer, _ = await api.get("?meshes=shop")
        assert (status, answer["title"]) == (400, "Unknown query parameter")
        assert "'meshes'" in answer["detail"]


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [("gzip", True), ("deflate, GZIP;q=0.5", True), ("gzip;q=0", False), ("identity", False), ("br", False)],
)
async def test_large_answers_are_compressed_for_those_who_accept_it(accepted: str, compressed: bool) -> None:
    async with served(*(f"default/backend-{n}" for n in range(10))) as api:
        raw = aiohttp.ClientSession(api.session._base_url, auto_decompress=False)
        headers = {"Accept-Encoding": accepted}
        async with (
            raw,
            raw.get(TARGETS_PATH, headers=headers) as got,
            raw.post(DISCOVERY_PATH, json={}, headers=headers) as posted,
        ):
            for response in (got, posted):
                assert ("Content-Encoding" in response.headers) is compressed
                assert response.headers["Vary"] == "Accept-Encoding"
                body = await response.read()
                assert json.loads(gzip.decompress(body) if compressed else body)


# Access


def only(*meshes: str) -> Callable[[web.Request], frozenset[str] | None]:
    return lambda _request: frozenset(meshes)


async def test_a_token_for_one_mesh_sees_only_that() -> None:
    async with served("default/a", "shop/b", authorize=only("shop")) as api:
        _, answer = await api.poll()
        assert [resource["mesh"] for resource in answer["resources"]] == ["shop"]
        _, groups, _ = await api.get()
        assert [group["labels"]["__meta_kuma_mesh"] for group in groups] == ["shop"]
        status, answer, _ = await api.get("?mesh=default")
        assert (status, answer["title"]) == (403, "Access Denied")


async def test_a_change_in_another_mesh_does_not_wake_a_restricted_client() -> None:
    async with served("shop/b", authorize=only("shop")) as api, asyncio.TaskGroup() as tasks:
        _, answer = await api.poll()
        poll = tasks.create_task(api.poll(answer["version_info"], "1h"))
        await api.until_waiting(1)
        api.published.set(snapshot("shop/b", "default/a"))
        await api.until_waited(2)
        assert not poll.done()
        api.published.set(snapshot("default/a"))
        assert (await poll)[0] == 200


@pytest.mark.parametrize(
    ("refusal", "status"), [(Unauthenticated("no token"), 401), (PermissionDenied("not this"), 403)]
)
async def test_refusals(refusal: Exception, status: int) -> None:
    def refuse(_request: web.Request) -> frozenset[str] | None:
        raise refusal

    async with served("default/a", authorize=refuse) as api:
        answered, answer = await api.poll()
        assert (answered, answer["status"], answer["detail"]) == (status, status, str(refusal))
        answered, _, response = await api.get()
        assert answered == status
        assert response.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)


@pytest.mark.attack("B7: a revoked token ends an open long poll of discovery at once")
async def test_a_token_that_becomes_void_ends_its_poll_and_no_other() -> None:
    revoked: set[str] = set()
    watchers: list[Callable[[], None]] = []

    def authorize(request: web.Request) -> frozenset[str] | None:
        if request.headers.get("Authorization") in revoked:
            raise Unauthenticated("the token is revoked")
        return None

    async with served("default/a", authorize=authorize, watch_tokens=watchers.append) as api:
        version = api.published.value.version
        body = {"node": {"id": "p"}, "typeUrl": TYPE_URL, "versionInfo": version}

        async def poll(token: str) -> int:
            async with api.session.post(
                DISCOVERY_PATH, params={"fetch-timeout": "10m"}, json=body, headers={"Authorization": token}
            ) as response:
                return response.status

        one, two = asyncio.create_task(poll("one")), asyncio.create_task(poll("two"))
        await api.published.until(lambda: api.published.waiting == 2)
        revoked.add("one")
        for reconsider in watchers:
            reconsider()
        assert await asyncio.wait_for(one, 60) == 401
        assert not two.done()
        two.cancel()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", DISCOVERY_PATH, 405), ("POST", TARGETS_PATH, 405)],
)
async def test_other_paths_and_methods(method: str, path: str, status: int) -> None:
    async with served() as api, api.session.request(method, path) as response:
        assert response.status == status
        assert (await response.json())["type"] == "/std-errors"
        assert ("Allow" in response.headers) is (status == 405)


async def test_a_token_that_is_revoked_during_a_poll_gets_no_answer() -> None:
    revoked = False

    def authorize(_request: web.Request) -> frozenset[str] | None:
        if revoked:
            raise Unauthenticated("the token is revoked")
        return None

    async with served("shop/b", authorize=authorize) as api, asyncio.TaskGroup() as tasks:
        _, answer = await api.poll()
        poll = tasks.create_task(api.poll(answer["version_info"], "1h"))
        await api.until_waiting(1)
        revoked = True
        api.published.set(snapshot("shop/b", "shop/a"))
        status, refused = await poll
        assert status == 401 and "resources" not in refused


async def test_direct_clients_ask_for_the_scheme_of_the_mesh() -> None:
    async with served() as api:
        subject = dataplane(mesh="m")
        assignment = build_assignment(subject, effective_metrics(metered("m", mtls=True), subject))
        assert assignment is not None
        api.published.set(build_snapshot([assignment]))
        for query, scheme in (("", "http"), ("?direct=false", "http"), ("?direct=true&mesh=m", "https")):
            _, groups, _ = await api.get(query)
            assert [group["labels"]["__scheme__"] for group in groups] == [scheme]
        status, answer, _ = await api.get("?direct=yes")
        assert (status, answer["title"]) == (400, "Could not parse direct")
