from __future__ import annotations

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from meshmeter.controlplane.api.route import Content, Route, serve


class Greeter:
    def __init__(self, word: str):
        self._word = word

    async def greet(self, request: web.Request) -> web.Response:
        return web.Response(text=f"{self._word} {request.match_info['name']}")

    async def close(self, _request: web.Request) -> web.Response:
        return web.Response(status=204)


ROUTES = (
    Route("GET", "/{name}", "greet", "Greet", Greeter.greet, {200: Content("Greeted")}),
    Route("DELETE", "/{name}", "close", "Close", Greeter.close, {204: Content("Closed")}),
)


async def test_the_methods_of_an_api_answer_at_their_routes() -> None:
    app = web.Application()
    serve(app, ROUTES, Greeter("hello"))
    async with TestClient(TestServer(app)) as client:
        assert await (await client.get("/you")).text() == "hello you"
        assert (await client.head("/you")).status == 200
        assert (await client.delete("/you")).status == 204
        assert (await client.put("/you")).status == 405
