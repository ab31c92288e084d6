from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, web

from meshmeter.controlplane.http.errors import error_middleware
from meshmeter.controlplane.http.request_body import LARGEST_DOCUMENT, read_document, read_json


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async def document(request: web.Request) -> web.Response:
        return web.json_response((await read_document(request, "Mesh")).document.data)

    async def small(request: web.Request) -> web.Response:
        return web.json_response(await read_json(request, 100))

    app = web.Application(middlewares=[error_middleware])
    app.add_routes([web.post("/document", document), web.post("/json", small)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def post(url: str, data: Any, content_type: str | None = None) -> tuple[int, Any]:
    headers = {"Content-Type": content_type} if content_type else {}
    async with ClientSession() as session, session.post(url, data=data, headers=headers) as response:
        return response.status, await response.json()


async def test_documents_are_yaml_or_json_whatever_they_are_called(url: str) -> None:
    for body in (b"type: Mesh\n", b'{"type": "Mesh"}'):
        for content_type in ("application/json", "application/yaml", "text/yaml", "application/octet-stream"):
            assert await post(f"{url}/document", body, content_type) == (200, {"type": "Mesh"})


async def test_a_document_that_cannot_be_read_is_told_with_its_place(url: str) -> None:
    status, answer = await post(f"{url}/document", b"a: 1\na: 2\n", "application/yaml")
    assert (status, answer["title"]) == (400, "Bad Request")
    assert answer["detail"].startswith('invalid Mesh object: "')
    assert answer["invalid_parameters"][0]["field"].startswith("body:2")


@pytest.mark.parametrize("body", [b"", b"# nothing", b"a: 1\n---\nb: 1", b"- 1"])
async def test_there_has_to_be_one_document(url: str, body: bytes) -> None:
    assert (await post(f"{url}/document", body, "application/yaml"))[0] == 400


async def test_large_documents_are_read_up_to_the_limit(url: str) -> None:
    text = b"a: " + b"x" * 4000 + b"\n"
    large = b"".join(b"k%d: %s" % (number, text[3:]) for number in range(200))
    assert len(large) < LARGEST_DOCUMENT
    assert (await post(f"{url}/document", large, "application/yaml"))[0] == 200


async def test_a_body_without_a_length_is_cut_off_as_well(url: str) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b" " * (1 << 14)

    status, answer = await post(f"{url}/document", endless(), "application/yaml")
    assert status == 413 and "1024 KiB" in answer["detail"]


@pytest.mark.parametrize(
    "body, content_type, status",
    [
        (b'{"a": 1}', "application/json", 200),
        (b'{"a": 1}', "application/octet-stream", 200),
        (b'{"a": 1}', "text/plain", 415),
        (b"[1]", "application/json", 400),
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 99, "application/json", 400),
        (b" " * 101, "application/json", 413),
    ],
)
async def test_json_bodies(url: str, body: bytes, content_type: str, status: int) -> None:
    assert (await post(f"{url}/json", body, content_type))[0] == status
