"""What answers, and its descriptions, over real sockets."""

from __future__ import annotations

from aiohttp import ClientSession

from meshmeter import __version__
from support.api_requests import ask
from support.api_server import ServedApi


async def test_the_index_names_product_and_version(client: ClientSession) -> None:
    status, answer = await ask(client, "GET", "/")
    assert status == 200
    assert (answer["product"], answer["version"]) == ("meshmeter", __version__)
    assert {"hostname", "instanceId", "clusterId"} < answer.keys()
    assert (await ask(client, "GET", "/"))[1]["clusterId"] == answer["clusterId"]


async def test_descriptions_are_for_everybody(api: ServedApi) -> None:
    async with ClientSession(api.url) as anybody:
        assert (await ask(anybody, "GET", "/openapi.json"))[0] == 200
        async with anybody.get("/schemas/dataplane") as response:
            assert response.content_type == "application/schema+json"
            assert (await response.json(content_type=None))["title"] == "Dataplane"
        assert (await ask(anybody, "GET", "/schemas/nothing"))[0] == 404


async def test_what_is_only_near_a_description_is_for_admins(api: ServedApi) -> None:
    async with ClientSession(api.url) as anybody:
        assert (await ask(anybody, "HEAD", "/openapi.json"))[0] == 200
        for method, path in (("GET", "/"), ("GET", "/openapi.json/x"), ("DELETE", "/schemas/dataplane")):
            assert (await ask(anybody, method, path))[0] == 401, (method, path)
