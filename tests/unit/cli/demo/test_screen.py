"""What the demo shows, without starting it; the whole of it runs in tests/integration/test_demo.py."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from rich.console import Console

from meshmeter.cli.demo.mesh import RunningMesh
from meshmeter.cli.demo.observation import Observation, Target
from meshmeter.cli.demo.screen import _traffic, hints, table


def shown(renderable: object) -> str:
    console = Console(width=240)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_the_table_shows_every_target_and_the_traffic() -> None:
    seen = Observation(
        (
            Target("backend", "http://127.0.0.3:5670/metrics", error="status 503", prometheus="down"),
            Target("frontend", "http://127.0.0.2:5670/metrics", "", 12, 7, 2000, 20),
        )
    )
    text = shown(table(seen, Counter({"200": 9, "no answer": 1})))
    assert "9 × 200, 1 × no answer" in text
    assert "status 503" in text and "down" in text
    assert "http://127.0.0.2:5670/metrics" in text and "2000" in text


def test_a_target_list_that_cannot_be_read_is_shown() -> None:
    assert "refused" in shown(table(Observation((), "http://x: refused"), Counter()))


def test_the_hints_are_commands_to_try() -> None:
    mesh = RunningMesh(
        Path("/tmp/d"),
        Path("/tmp/d/cp"),
        {"discovery": "http://127.0.0.1:5676"},
        "http://127.0.0.2:8080/",
        "http://127.0.0.1:9090",
    )
    text = shown(hints(mesh))
    assert "curl http://127.0.0.2:8080/" in text
    assert "curl 'http://127.0.0.1:5676/v1/targets'" in text
    assert "http://127.0.0.1:9090/targets" in text


async def test_requests_count_once_the_proxies_are_ready() -> None:
    """A proxy on its way gives no answer, then 503; what it fails later counts."""
    answers = iter([503, 502, 200, 503, 200])
    answered: Counter[str] = Counter()
    all_given = asyncio.Event()

    async def answer(_request: web.Request) -> web.Response:
        if (status := next(answers, None)) is None:
            all_given.set()
            await asyncio.Event().wait()
        return web.Response(status=status or 500)

    app = web.Application()
    app.router.add_get("/", answer)
    async with TestServer(app, shutdown_timeout=0) as server, ClientSession() as session:
        mesh = RunningMesh(Path("/tmp/d"), Path("/tmp/d/cp"), {}, str(server.make_url("/")), None)
        traffic = asyncio.create_task(_traffic(session, mesh, answered))
        await all_given.wait()
        traffic.cancel()
        await asyncio.gather(traffic, return_exceptions=True)
    assert answered == {"200": 2, "503": 1}
