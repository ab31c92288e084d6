from __future__ import annotations

import logging
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from meshmeter.controlplane.http.errors import Refusal, error_body, error_middleware
from meshmeter.errors import (
    InvalidResource,
    MeshInUse,
    MeshNotFound,
    NotFound,
    PermissionDenied,
    StoreUnavailable,
    Unauthenticated,
    VersionConflict,
    Violation,
    WatchExpired,
)

FAULTS = (Violation("networking", "must be defined"), Violation('tags["a"]', "tag value must be non-empty"))


async def answer(raised: BaseException, *, method: str = "GET") -> tuple[web.Response, dict[str, Any]]:
    """What a client gets when a handler raises."""

    async def handler(_request: web.Request) -> web.Response:
        raise raised

    app = web.Application(middlewares=[error_middleware])
    app.router.add_get("/", handler)
    async with TestClient(TestServer(app)) as client:
        response = await client.request(method, "/")
        return response, await response.json()  # type: ignore[return-value]  # a client's response has what we ask


def test_the_body_has_kumas_form_old_and_new() -> None:
    assert error_body(400, "T", "D", FAULTS) == {
        "type": "/std-errors",
        "status": 400,
        "title": "T",
        "detail": "D",
        "invalid_parameters": [
            {"field": "networking", "reason": "must be defined"},
            {"field": 'tags["a"]', "reason": "tag value must be non-empty"},
        ],
        "details": "D",
        "causes": [
            {"field": "networking", "message": "must be defined"},
            {"field": 'tags["a"]', "message": "tag value must be non-empty"},
        ],
    }
    assert set(error_body(404, "T", "D")) == {"type", "status", "title", "detail", "details"}


@pytest.mark.parametrize(
    ("raised", "status", "title", "detail", "fields"),
    [
        (
            InvalidResource(FAULTS),
            400,
            "Could not process a resource",
            "Resource is not valid",
            ["networking", 'tags["a"]'],
        ),
        (NotFound("Mesh", "", "m"), 404, "Could not retrieve a resource", "Not found", []),
        (MeshNotFound("m"), 400, "Could not process a resource", "Mesh is not found", ["mesh"]),
        (MeshInUse("m", 2), 400, "Could not delete a resource", "Resource is not valid", ["mesh"]),
        (
            VersionConflict("Mesh", "", "m", 1, 2),
            409,
            "Conflict",
            "Mesh 'm' is at version 2, not 1: read it again and repeat the change",
            [],
        ),
        (Unauthenticated("no token"), 401, "Authentication required", "no token", []),
        (PermissionDenied("not yours"), 403, "Access Denied", "not yours", []),
        (StoreUnavailable("m.db: disk full"), 503, "The store is not available", "m.db: disk full", []),
        (
            Refusal(404, "Could not delete a resource", "Not found"),
            404,
            "Could not delete a resource",
            "Not found",
            [],
        ),
    ],
)
async def test_our_exceptions_have_their_answer(
    raised: Exception, status: int, title: str, detail: str, fields: list[str]
) -> None:
    response, body = await answer(raised)
    assert (response.status, body["status"], body["title"], body["detail"]) == (status, status, title, detail)
    assert [fault["field"] for fault in body.get("invalid_parameters", [])] == fields
    assert response.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)
    assert response.headers.get("Retry-After") == ("1" if status == 503 else None)


@pytest.mark.parametrize("raised", [RuntimeError("the password is x"), WatchExpired("inner"), KeyError("x")])
async def test_an_unexpected_error_is_logged_and_not_told(
    raised: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response, body = await answer(raised)
    assert response.status == 500
    assert str(raised) not in str(body)
    [record] = [r for r in caplog.records if r.name == "meshmeter.controlplane.http.errors"]
    assert record.exc_info is not None and record.exc_info[1] is raised


async def test_the_framework_s_refusals_have_the_same_form() -> None:
    response, body = await answer(web.HTTPRequestEntityTooLarge(max_size=10, actual_size=11))
    assert (response.status, body["title"]) == (413, "Request Entity Too Large")
    response, body = await answer(RuntimeError(), method="PATCH")
    assert (response.status, body["type"]) == (405, "/std-errors")
    assert response.headers["Allow"] == "GET,HEAD"


async def test_a_redirect_is_no_error() -> None:
    async def handler(_request: web.Request) -> web.Response:
        raise web.HTTPFound("/there")

    app = web.Application(middlewares=[error_middleware])
    app.router.add_get("/", handler)
    async with TestClient(TestServer(app)) as client:
        response = await client.get("/", allow_redirects=False)
        assert (response.status, response.headers["Location"]) == (302, "/there")
