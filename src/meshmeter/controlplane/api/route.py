"""The words of the route table: what answers at a path, and how it is described."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import Any, Generic, TypeVar

from aiohttp import web
from pydantic import BaseModel

from meshmeter.resources.kinds import Kind

Json = dict[str, Any]

Api = TypeVar("Api")

JSON_OR_YAML = ("application/json", "application/yaml")


class Access(Enum):
    """Who may ask."""

    ADMIN = auto()
    """An admin token is demanded before the handler is called."""
    SELF_GUARDED = auto()
    """The handler demands a token itself, since not only admins may ask."""
    PUBLIC = auto()


@dataclass(frozen=True, slots=True)
class PageOf:
    """One page of a list."""

    item: type[BaseModel] | Kind


Shape = type[BaseModel] | Kind | PageOf | Json
"""What a body looks like: a model, documents of a kind, a page, or a JSON Schema."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """Of the path, the query or the head."""

    name: str
    place: str
    text: str
    schema: Json = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True, slots=True)
class Content:
    """The body of a request or an answer. None: there is none."""

    text: str
    shape: Shape | None = None
    types: tuple[str, ...] = ("application/json",)
    example: Json | None = None


@dataclass(frozen=True, slots=True)
class Route(Generic[Api]):
    """What answers one method of one path: a method of an API, and what it takes and gives."""

    method: str
    path: str
    operation_id: str
    summary: str
    handler: Callable[[Api, web.Request], Awaitable[web.StreamResponse]]
    answers: Mapping[int, Content]
    errors: tuple[int, ...] = ()
    """Statuses of refusals, beside those that every answer may have."""
    parameters: tuple[Parameter, ...] = ()
    body: Content | None = None
    access: Access = Access.ADMIN


def serve(app: web.Application, routes: Iterable[Route[Api]], api: Api) -> None:
    """Let the API answer at the routes, which come first that are more exact."""
    for route in routes:
        handler = partial(route.handler, api)
        if route.method == "GET":
            app.router.add_get(route.path, handler)  # HEAD too
        else:
            app.router.add_route(route.method, route.path, handler)
