from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from meshmeter.agent.config_watch import ConfigWatch
from meshmeter.agent.control_plane import ControlPlane, Registration
from meshmeter.agent.registration import ProxyFacts, RegistrationClient
from meshmeter.scrape.config import ScrapeConfig
from support.fake_control_plane import FakeControlPlane

WEB = {"type": "Dataplane", "mesh": "default", "name": "web"}
FACTS = ProxyFacts("i", Path("/w/agent.sock"), Path("/w/admin.sock"), "1.40.0")


class Watched:
    """A watch that runs, and what it told."""

    def __init__(self, server: FakeControlPlane, client: ControlPlane, wait: float):
        self.server = server
        self.registration_client = RegistrationClient(client, WEB, FACTS)
        self.client = client
        self.wait = wait
        self.changes: list[Registration] = []
        self.pauses: list[float] = []
        self._told = asyncio.Event()

    async def begin(self, *, registered: bool = True) -> ConfigWatch:
        saved = Registration("default", "web", {"node": "saved"}, ScrapeConfig("v0", "default", "web", True))
        registration = await self.registration_client.register() if registered else saved
        return ConfigWatch(
            self.client,
            self.registration_client,
            registration,
            registered=registered,
            on_change=self._changed,
            wait=self.wait,
            token_look=0.01,
            sleep=self._sleep,
        )

    def _changed(self, registration: Registration) -> None:
        self.changes.append(registration)
        self._told.set()

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0.001)

    async def change(self) -> Registration:
        async with asyncio.timeout(60):
            await self._told.wait()
        self._told.clear()
        return self.changes[-1]


@contextlib.asynccontextmanager
async def running(watch: ConfigWatch) -> AsyncIterator[None]:
    task = asyncio.create_task(watch.run())
    try:
        yield
        assert not task.done(), "a watch never ends by itself"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while True:
            if check():
                return
            await asyncio.sleep(0.005)


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    async with (
        FakeControlPlane(tmp_path / "cp") as server,
        ControlPlane(server.url, server.ca_file, server.token_file) as client,
    ):
        yield Watched(server, client, wait=10.0)


async def test_a_change_is_in_force_as_soon_as_it_is_published(watched: Watched) -> None:
    watch = await watched.begin()
    assert watch.config().version == "v1"
    async with running(watch):
        await watched.server.waiting.wait()
        watched.server.publish(replace(watched.server.config, version="v2", used_only=True))
        await watched.change()
        assert watch.config() == ScrapeConfig("v2", "default", "web", True, used_only=True)
    assert len(watched.changes) == 1


async def test_a_poll_without_a_change_changes_nothing(watched: Watched) -> None:
    watched.wait = 0.01
    watch = await watched.begin()
    async with running(watch):
        await until(lambda: len(watched.server.requests) > 4)
    assert watched.changes == [] and watched.pauses == []


async def test_a_control_plane_that_forgot_this_proxy_learns_it_again(watched: Watched) -> None:
    watch = await watched.begin()
    async with running(watch):
        await watched.server.waiting.wait()
        watched.server.forget_all()
        await until(lambda: bool(watched.server.proxies))
        await until(lambda: watch.registered)
    assert watched.changes == [], "with the same answer there is nothing to do"


async def test_after_a_start_from_disk_it_registers_first(watched: Watched) -> None:
    watch = await watched.begin(registered=False)
    assert watch.config().version == "v0" and not watch.registered and not watch.connected
    async with running(watch):
        changed = await watched.change()
    assert changed.bootstrap == {"node": "i"}
    assert watch.registered and watch.config().version == "v1"


async def test_a_renewed_token_means_a_new_registration_and_bootstrap(watched: Watched) -> None:
    watch = await watched.begin()
    async with running(watch):
        await watched.server.waiting.wait()  # also while a poll is open
        watched.server.bootstrap = lambda proxy: {"node": proxy["instance"], "token": "renewed"}
        watched.server.tokens.add("eyJ.renewed.sig")
        watched.server.token_file.write_text("eyJ.renewed.sig")
        changed = await watched.change()
    assert changed.bootstrap == {"node": "i", "token": "renewed"}


async def test_the_last_good_configuration_outlives_every_trouble_and_each_is_told_once(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watch = await watched.begin()
    for _ in range(3):
        watched.server.refuse(503, {"title": "away"})
    watched.server.refuse(401, {"title": "revoked"})
    watched.server.refuse(200, "garbage")
    async with running(watch):
        await watched.server.waiting.wait()
        assert watch.config().version == "v1"
        watched.server.publish(replace(watched.server.config, version="v2"))
        await watched.change()
    errors = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
    assert [e.partition(";")[0] for e in errors] == ["away", "revoked", f"{watched.server.url} answered 200"]
    assert len(watched.pauses) == 5
    assert 0.75 <= watched.pauses[0] <= 1.25 and watched.pauses[4] > 10


async def test_a_control_plane_that_was_away_is_found_again(watched: Watched) -> None:
    watch = await watched.begin()
    async with running(watch):
        await watched.server.waiting.wait()
        await watched.server.__aexit__()
        await until(lambda: bool(watched.pauses))
        assert watch.config().version == "v1"
        assert watch.registered and not watch.connected
        watched.server.config = replace(watched.server.config, version="v2")
        await watched.server.__aenter__()
        await watched.change()
        await until(lambda: watch.connected)
    assert watch.config().version == "v2"


async def test_a_configuration_that_cannot_be_used_is_told_and_the_last_good_one_stays(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watch = await watched.begin()
    good = watch.config().to_json()
    odd = {"name": "a", "address": "b", "port": 1, "path": "/", "options": {"params": [["x"]]}}
    for broken in ([1], good | {"version": 2}, good | {"version": "v9", "sources": [odd]}):
        watched.server.refuse(200, broken)
    async with running(watch):
        await watched.server.waiting.wait()
    assert watch.config().version == "v1" and watched.changes == []
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert [re.findall(r"cannot be used: (\S+)", each) for each in told] == [
        ["the"],
        ["version:"],
        ["sources[0].options.params[0]"],
    ]


async def test_a_control_plane_that_was_away_is_asked_for_its_bootstrap(watched: Watched) -> None:
    watch = await watched.begin()
    async with running(watch):
        await watched.server.waiting.wait()
        watched.server.bootstrap = lambda proxy: {"node": proxy["instance"], "port": 2}
        await watched.server.__aexit__()
        await until(lambda: bool(watched.pauses))
        await watched.server.__aenter__()
        changed = await watched.change()
        await until(lambda: watch.connected)
    assert changed.bootstrap == {"node": "i", "port": 2}


async def test_the_bootstrap_is_asked_for_also_while_a_poll_is_open(watched: Watched) -> None:
    watch = await watched.begin()
    async with running(watch):
        await watched.server.waiting.wait()
        watched.server.bootstrap = lambda proxy: {"node": proxy["instance"], "port": 2}
        watch.ask_again()
        assert (await watched.change()).bootstrap == {"node": "i", "port": 2}


async def test_a_refused_question_for_the_bootstrap_does_not_keep_changes_away(watched: Watched) -> None:
    watch = await watched.begin()
    async with running(watch):
        await watched.server.waiting.wait()
        watched.server.refuse(403, {"title": "not now"})
        watched.server.config = replace(watched.server.config, version="v2")
        watch.ask_again()
        await watched.change()
    assert watch.config().version == "v2"
