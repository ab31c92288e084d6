"""One request and its answer, over real sockets (odd answers are in tests/integration/test_odd_http.py)."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from meshmeter.agent.decoding import ACCEPT_ENCODING, DecodingError, TooLarge
from meshmeter.agent.http_client import Refused, body_of, followed, session_of


@dataclass
class Server:
    """An application that answers as the test says."""

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By path, what a response is made of."""
    seen: list[web.Request] = field(default_factory=list)
    url: str = ""
    session: aiohttp.ClientSession = field(init=False)

    async def handle(self, request: web.Request) -> web.Response:
        self.seen.append(request)
        return web.Response(**self.answers[request.path])

    async def body(self, path: str, limit: int = 100) -> tuple[bytes, str | None]:
        return await body_of(self.session, self.url + path, {}, limit)

    async def followed(self, path: str) -> tuple[bytes, str | None]:
        return await followed(self.session, self.url + path, {"X-Sent": "1"}, 100, None, None)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_get("/{path:.*}", made.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with asyncio.timeout(60), session_of(aiohttp.TCPConnector()) as made.session:
            yield made
    finally:
        await runner.cleanup()


async def test_a_body_is_decoded_and_told_with_its_type(server: Server) -> None:
    packed = {"Content-Encoding": "gzip", "Content-Type": "text/x"}
    server.answers["/m"] = dict(body=gzip.compress(b"a 1\n"), headers=packed)
    assert await server.body("/m?a=%20") == (b"a 1\n", "text/x")
    assert server.seen[0].raw_path == "/m?a=%20", "as it was written"
    assert (
        "Cookie" not in server.seen[0].headers
        and server.seen[0].headers["Accept-Encoding"] == ACCEPT_ENCODING
    )


async def test_a_body_that_is_of_no_use(server: Server) -> None:
    server.answers["/long"] = dict(body=b"x" * 101)
    server.answers["/odd"] = dict(body=b"x", headers={"Content-Encoding": "lz4"})
    with pytest.raises(TooLarge, match="announced with 101 bytes, more than 100"):
        await server.body("/long")
    with pytest.raises(DecodingError, match="lz4"):
        await server.body("/odd")


@pytest.mark.parametrize("status", [204, 206, 404, 503])
async def test_what_a_failure_says_is_not_repeated(server: Server, status: int) -> None:
    said = b"" if status == 204 else b"secret " + b"x" * 1000
    server.answers["/m"] = dict(status=status, body=said)
    with pytest.raises(Refused) as application:
        await server.body("/m")
    assert (application.value.status, str(application.value)) == (status, f"HTTP status {status}")


async def test_an_endpoint_that_leads_back_is_told_as_that(server: Server) -> None:
    server.answers["/m"] = dict(status=508)
    with pytest.raises(Refused, match="508: it leads back to an endpoint that is being scraped"):
        await server.body("/m")


async def test_a_redirect_is_followed_and_what_comes_of_it_is_told(server: Server) -> None:
    server.answers = {
        "/m": dict(status=307, headers={"Location": "/m/"}),
        "/m/": dict(text="a 1\n"),
        "/gone": dict(status=301, headers={"Location": "/none?secret=1"}),
        "/none": dict(status=404),
        "/away": dict(status=302, headers={"Location": "http://elsewhere.example/m"}),
    }
    assert (await server.followed("/m"))[0] == b"a 1\n"
    assert [request.headers["X-Sent"] for request in server.seen] == ["1", "1"]
    with pytest.raises(Refused) as gone:
        await server.followed("/gone")
    assert gone.value.status == 404
    assert str(gone.value) == f"HTTP status 404 at {server.url}/none?…, where a redirect leads"
    with pytest.raises(
        Refused, match=r"302, a redirect to http://elsewhere\.example/m: only the entry's own"
    ):
        await server.followed("/away")
    with pytest.raises(Refused) as plain:
        await server.followed("/none")
    assert str(plain.value) == "HTTP status 404"
