from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from meshmeter.agent.envoy_admin import EnvoyAdmin


@asynccontextmanager
async def answering(socket: Path, answer: Callable[[web.Request], web.Response]) -> AsyncIterator[EnvoyAdmin]:
    async def handle(request: web.Request) -> web.Response:
        return answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    try:
        yield EnvoyAdmin(socket)
    finally:
        await runner.cleanup()


async def test_no_answer_is_a_normal_answer(tmp_path: Path) -> None:
    admin = EnvoyAdmin(tmp_path / "nobody.sock")
    assert not await admin.answers()
    assert not await admin.drain()
    assert await admin.open_connections() is None
    assert await admin.follows_control_plane() is None


async def test_an_envoy_that_is_not_ready_yet_answers(tmp_path: Path) -> None:
    async with answering(tmp_path / "s", lambda _: web.Response(status=503, text="INITIALIZING")) as admin:
        assert await admin.answers()
        assert await admin.open_connections() is None


async def test_connections_are_those_of_all_listeners_but_the_admin_interface(tmp_path: Path) -> None:
    stats = (
        "listener.127.0.0.1_80.downstream_cx_active: 2\n"
        "listener.0.0.0.0_5670.downstream_cx_active: 1\n"
        "listener.admin.downstream_cx_active: 5\n"
    )
    async with answering(tmp_path / "s", lambda _: web.Response(text=stats)) as admin:
        assert await admin.open_connections() == 3


async def test_the_ads_stream(tmp_path: Path) -> None:
    stats = ["control_plane.connected_state: 1\n", "control_plane.connected_state: 0\n", ""]
    async with answering(tmp_path / "s", lambda _: web.Response(text=stats.pop(0))) as admin:
        assert await admin.follows_control_plane() is True
        assert await admin.follows_control_plane() is False
        assert await admin.follows_control_plane() is True, "it is to have none"


async def test_draining_is_graceful_and_may_be_forbidden(tmp_path: Path) -> None:
    asked = []

    def answer(request: web.Request) -> web.Response:
        asked.append((request.method, request.path, dict(request.query)))
        return web.Response(status=200 if len(asked) == 1 else 403)

    async with answering(tmp_path / "s", answer) as admin:
        assert await admin.drain()
        assert not await admin.drain()
    assert asked[0] == ("POST", "/drain_listeners", {"graceful": ""})
