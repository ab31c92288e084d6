"""Conditional requests: a resource's version is its ETag, and a write may demand the version that it changes."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from meshmeter.controlplane.http.errors import Refusal
from meshmeter.resources.resource import AnyResource


def etag(resource: AnyResource) -> str:
    """The version of a stored resource, as it stands in headers."""
    return f'"{resource.meta.version}"'


def expected_version(request: web.Request) -> Callable[[int], bool] | None:
    """What the conditional headers demand of the stored version (0: nothing is stored); None if there are none."""
    match, none_match = request.headers.get("If-Match"), request.headers.get("If-None-Match")
    if match is None and none_match is None:
        return None
    if none_match is not None and none_match.strip() != "*":
        raise Refusal(400, "Bad Request", "If-None-Match of a write can only be *: create, do not replace")
    wanted = {tag.strip() for tag in match.split(",")} if match is not None else None

    def holds(version: int) -> bool:
        if none_match is not None and version:
            return False
        return wanted is None or (version > 0 and ("*" in wanted or f'"{version}"' in wanted))

    return holds
