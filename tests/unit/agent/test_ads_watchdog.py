"""AdsWatchdog with a real Envoy that looks for its control plane."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from meshmeter.agent.ads_watchdog import AdsWatchdog, GracePeriods
from meshmeter.agent.backoff import Backoff
from meshmeter.agent.envoy_process import EnvoyOptions, EnvoyProcess
from meshmeter.agent.work_dir import WorkDir, locked
from support.envoy_process import until
from support.require import envoy
from support.static_envoy import bootstrap, lonely_bootstrap


@pytest.fixture
def work_dir(tmp_path: Path) -> WorkDir:
    with locked(tmp_path / "w") as made:
        return made


@pytest.fixture
async def process(work_dir: WorkDir) -> AsyncIterator[EnvoyProcess]:
    """An Envoy that looks for a control plane where there is none."""
    made = EnvoyProcess(EnvoyOptions(envoy(), drain_time=0.0, concurrency=1), work_dir, backoff=Backoff(0.01))
    made.set_bootstrap(lonely_bootstrap(work_dir.admin_socket, token="old"))
    async with running(made.run):
        async with asyncio.timeout(60):
            await made.started.wait()
        yield made


@contextlib.asynccontextmanager
async def running(work: Callable[[], object]) -> AsyncIterator[None]:
    coroutine = work()
    assert asyncio.iscoroutine(coroutine)
    task = asyncio.create_task(coroutine)
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Watched:
    """A watch, and how often it looked and asked."""

    def __init__(self, process: EnvoyProcess, grace: GracePeriods, now: Callable[[], float] = lambda: 0.0):
        self.looks = self.asked = 0
        self.answers = True
        self.watch = AdsWatchdog(
            process,
            api_answers=self._api_answers,
            ask_again=self._ask,
            look=0.01,
            closer=0.01,
            grace=grace,
            backoff=Backoff(100.0),
            clock=now,
        )

    def _api_answers(self) -> bool:
        self.looks += 1
        return self.answers

    def _ask(self) -> None:
        self.asked += 1

    async def looks_on(self, times: int = 3) -> None:
        enough = self.looks + times
        await until(lambda: self.looks >= enough, "another look")


AT_ONCE = GracePeriods(0.0, 0.0, 0.0)


async def test_an_envoy_whose_control_plane_is_elsewhere_is_replaced(
    process: EnvoyProcess, work_dir: WorkDir
) -> None:
    first = process.pid
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        moved = lonely_bootstrap(work_dir.admin_socket, ads_port=server.sockets[0].getsockname()[1])
        process.set_bootstrap(moved)
        watched = Watched(process, GracePeriods(ask=1e9, moved=0.0, token=1e9))
        async with running(watched.watch.run):
            await until(lambda: process.pid not in (None, first), "another Envoy")
            assert process.bootstraps == (moved, moved)
            second = process.pid
            await watched.looks_on()
            assert process.pid == second, "once is enough"
    assert process.restarts == 0, "that was no failure"
    assert not watched.watch.follows


async def test_an_envoy_is_left_alone_while_the_api_does_not_answer(
    process: EnvoyProcess, work_dir: WorkDir
) -> None:
    """A new one could get no configuration, and would serve nothing; also when the token was renewed before."""
    first = process.pid
    process.set_bootstrap(lonely_bootstrap(work_dir.admin_socket, token="new"))
    watched = Watched(process, AT_ONCE)
    watched.answers = False
    async with running(watched.watch.run):
        await watched.looks_on()
        assert process.pid == first and not watched.watch.follows
        watched.answers = True
        process.set_bootstrap(lonely_bootstrap(work_dir.admin_socket, token="old"))
        await until(lambda: watched.asked, "a question for the bootstrap")
    assert process.pid == first


async def test_an_envoy_is_left_alone_while_nobody_listens_where_it_would_go(
    process: EnvoyProcess, work_dir: WorkDir, caplog: pytest.LogCaptureFixture
) -> None:
    first = process.pid
    process.set_bootstrap(lonely_bootstrap(work_dir.admin_socket, ads_port=2))
    times = iter(range(0, 100_000, 1000))
    watched = Watched(process, AT_ONCE, now=lambda: float(next(times)))
    async with running(watched.watch.run):
        await watched.looks_on(5)
    assert process.pid == first
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == [
        "Envoy has lost the control plane, which is at 127.0.0.1:2 now, where nobody listens; it is not replaced"
    ]


async def test_with_the_bootstrap_it_has_an_envoy_is_not_replaced_and_the_question_is_not_repeated_soon(
    process: EnvoyProcess,
) -> None:
    first = process.pid
    now = [0.0]
    watched = Watched(process, GracePeriods(ask=5.0, moved=0.0, token=0.0), now=lambda: now[0])
    async with running(watched.watch.run):
        await watched.looks_on()
        assert watched.asked == 0, "it may be about to connect"
        now[0] = 5.0
        await until(lambda: watched.asked == 1, "a question")
        await watched.looks_on()
        assert watched.asked == 1
        now[0] = 200.0
        await until(lambda: watched.asked == 2, "another question")
    assert process.pid == first


async def test_an_envoy_that_only_has_another_token_has_time_to_come_back(
    process: EnvoyProcess, work_dir: WorkDir
) -> None:
    first = process.pid
    now = [0.0]
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        process.set_bootstrap(lonely_bootstrap(work_dir.admin_socket, ads_port=port, token="old"))
        await process.renew()
        await until(lambda: process.pid not in (None, first), "an Envoy that knows the port")
        second = process.pid
        process.set_bootstrap(lonely_bootstrap(work_dir.admin_socket, ads_port=port, token="new"))
        watched = Watched(process, GracePeriods(ask=0.0, moved=0.0, token=20.0), now=lambda: now[0])
        async with running(watched.watch.run):
            await watched.looks_on()
            assert process.pid == second
            now[0] = 20.0
            await until(lambda: process.pid not in (None, second), "an Envoy with the new token")
    assert watched.asked == 0


async def test_an_envoy_that_is_to_have_no_control_plane_is_fine(work_dir: WorkDir) -> None:
    made = EnvoyProcess(EnvoyOptions(envoy(), drain_time=0.0, concurrency=1), work_dir)
    made.set_bootstrap(bootstrap(work_dir.admin_socket))
    watched = Watched(made, AT_ONCE)
    async with running(made.run), running(watched.watch.run):
        await until(lambda: watched.watch.follows, "the first look")
    assert watched.looks == 0
