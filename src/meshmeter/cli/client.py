"""ApiClient: the resource API as the commands use it, one blocking call per request."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from meshmeter.cli.connection import Connection
from meshmeter.errors import ApiError, SettingsError, Violation

TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=300.0)
"""A batch of ten thousand documents takes its time; a control plane that is away is noticed at once."""

PAGE = 1000
"""Items asked for at a time."""

LONGEST_DETAIL = 500

NO_MESH = "Failed to retrieve Mesh"
"""Title of the answer when the Mesh of a path does not exist (kuma-facts 9.2)."""


class ApiClient:
    """Every method raises ApiError with the words of the control plane, or with status 0 if it cannot be reached."""

    def __init__(self, connection: Connection):
        self._connection = connection

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        return self._call("GET", path, query=query)

    def post(self, path: str, body: object, query: Mapping[str, str] | None = None) -> Any:
        return self._call("POST", path, query=query, body=body)

    def put(self, path: str, body: object) -> Any:
        return self._call("PUT", path, body=body)

    def delete(self, path: str) -> Any:
        return self._call("DELETE", path)

    def items(self, path: str, query: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """The items of all pages."""
        return asyncio.run(self._items(path, dict(query or {})))

    def _call(self, method: str, path: str, **options: Any) -> Any:
        return asyncio.run(self._once(method, path, **options))

    async def _once(self, method: str, path: str, **options: Any) -> Any:
        async with self._session() as session:
            return await self._request(session, method, path, **options)

    async def _items(self, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        query["size"] = str(PAGE)
        async with self._session() as session:
            while True:
                answer = await self._request(session, "GET", path, query=query)
                items += answer["items"]
                if not answer["next"]:
                    return items
                # The address in `next` is that under which the control plane knows itself; only its offset is taken.
                query["offset"] = URL(answer["next"]).query["offset"]

    def _session(self) -> aiohttp.ClientSession:
        headers = {"Authorization": f"Bearer {self._connection.token}"}
        connector = aiohttp.TCPConnector(ssl=self._trust()) if self._connection.ca_cert_file else None
        return aiohttp.ClientSession(headers=headers, timeout=TIMEOUT, connector=connector)

    def _trust(self) -> ssl.SSLContext:
        file = self._connection.ca_cert_file
        try:
            return ssl.create_default_context(cafile=str(file))
        except (OSError, ssl.SSLError) as exc:
            raise SettingsError(f"--ca-cert-file: {file} has no usable PEM certificate") from exc

    async def _request(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
    ) -> Any:
        address = self._connection.address
        try:
            async with session.request(
                method,
                f"{address}{path}",
                params=query,
                data=BytesIO(json.dumps(body).encode()) if body is not None else None,
                headers={"Content-Type": "application/json"} if body is not None else None,
                allow_redirects=False,
            ) as response:
                text = await response.text(errors="replace")
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise ApiError(
                0,
                f"the control plane at {address} cannot be reached",
                f"{_why(exc)}; see that it runs, or name it with --api-address",
            ) from exc
        if response.status >= 300:
            raise _refusal(response.status, text)
        if response.content_type == "text/plain":
            return text
        try:
            return json.loads(text)
        except ValueError as exc:
            raise ApiError(response.status, f"{address} does not answer like a control plane") from exc


@contextmanager
def naming(what: str, mesh: str = "") -> Iterator[None]:
    """Say `what` is not there, in which mesh, where the control plane only says that something is not found."""
    try:
        yield
    except ApiError as exc:
        if exc.status != 404:
            raise
        if exc.title == NO_MESH:
            raise ApiError(404, f'mesh "{mesh}" not found') from exc
        raise ApiError(404, f"{what} not found" + (f' in mesh "{mesh}"' if mesh else "")) from exc


def path_to(*segments: str) -> str:
    """A path whose segments may hold anything."""
    return "".join(f"/{quote(segment, safe='')}" for segment in segments)


def _why(error: Exception) -> str:
    """The system's words where there are some: `Connection refused`."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, OSError) and cause.errno is not None and cause.errno > 0:
        return os.strerror(cause.errno)
    return str(cause) or type(cause).__name__


def _refusal(status: int, text: str) -> ApiError:
    """The error in an answer, whatever else answered in place of a control plane."""
    try:
        body = json.loads(text)
        title, detail = str(body["title"]), str(body.get("detail", ""))
        violations = [
            Violation(str(each["field"]), str(each["reason"])) for each in body.get("invalid_parameters", ())
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ApiError(status, f"unexpected answer with status {status}", text.strip()[:LONGEST_DETAIL])
    return ApiError(status, title, detail, violations)
