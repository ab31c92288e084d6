"""Errors as every API of the control plane answers them (kuma-facts 9.2).

    {"type": "/std-errors", "status": 400, "title": …, "detail": …,
     "invalid_parameters": [{"field", "reason", "line"}], "details": <= detail>, "causes": [{"field", "message"}]}

The middleware turns our exceptions, and aiohttp's own, into this shape; anything unexpected is logged with its
traceback and answered without internals.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import BaseModel, Field

from meshmeter.errors import (
    InvalidResource,
    MeshAuthorityUnusable,
    MeshInUse,
    MeshmeterError,
    MeshNotFound,
    NotFound,
    PermissionDenied,
    ResourceUnreadable,
    StoreUnavailable,
    TokenNotFound,
    TooManyRequests,
    Unauthenticated,
    VersionConflict,
    Violation,
)
from meshmeter.quoting import quoted

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refusal(MeshmeterError):
    """An answer that is an error, already worded by a handler; it never leaves the API that raises it."""

    def __init__(self, status: int, title: str, detail: str, violations: Iterable[Violation] = ()):
        self.status, self.title, self.detail = status, title, detail
        self.violations = tuple(violations)
        super().__init__(f"{title}: {detail}")


class Fault(BaseModel):
    """One fault of a request."""

    field: str
    reason: str
    line: Annotated[int, Field(ge=1)] = 0
    """Left out where it is not known."""


class Cause(BaseModel):
    """The same in other words, for clients of Kuma."""

    field: str
    message: str


class Error(BaseModel):
    """Every error; without faults there are neither `invalid_parameters` nor `causes`."""

    type: Literal["/std-errors"]
    status: int
    title: str
    detail: str
    invalid_parameters: list[Fault] = []
    details: str
    causes: list[Cause] = []


def _fault(violation: Violation) -> Fault:
    fault = Fault(field=violation.field, reason=violation.reason)
    return fault.model_copy(update={"line": violation.line}) if violation.line else fault


def error_body(status: int, title: str, detail: str, violations: Iterable[Violation] = ()) -> dict[str, Any]:
    """The JSON object of an error."""
    faults = tuple(violations)
    error = Error(
        type="/std-errors",
        status=status,
        title=title,
        detail=detail,
        invalid_parameters=[_fault(v) for v in faults],
        details=detail,
        causes=[Cause(field=v.field, message=v.reason) for v in faults],
    )
    return error.model_dump(exclude_defaults=True)


def error_response(
    status: int,
    title: str,
    detail: str,
    violations: Iterable[Violation] = (),
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """The response for an error."""
    return web.json_response(error_body(status, title, detail, violations), status=status, headers=headers)


def response_for(error: MeshmeterError) -> web.Response:
    """The response for one of our exceptions."""
    match error:
        case Refusal():
            return error_response(error.status, error.title, error.detail, error.violations)
        case InvalidResource():
            return error_response(400, "Could not process a resource", error.title, error.violations)
        case NotFound():
            return error_response(404, "Could not retrieve a resource", "Not found")
        case TokenNotFound():
            return error_response(404, "Could not revoke a token", str(error))
        case MeshNotFound():
            fault = Violation("mesh", str(error))
            return error_response(400, "Could not process a resource", "Mesh is not found", [fault])
        case MeshInUse():
            fault = Violation("mesh", str(error))
            return error_response(400, "Could not delete a resource", "Resource is not valid", [fault])
        case MeshAuthorityUnusable():
            return error_response(409, "Could not issue an identity", str(error))
        case VersionConflict():
            return error_response(409, "Conflict", str(error))
        case Unauthenticated():
            return error_response(
                401, "Authentication required", str(error), headers={"WWW-Authenticate": "Bearer"}
            )
        case PermissionDenied():
            return error_response(403, "Access Denied", str(error))
        case ResourceUnreadable():
            return error_response(500, "A stored resource cannot be read", str(error))
        case TooManyRequests():
            seconds = str(max(1, math.ceil(error.retry_after)))
            return error_response(429, "Too many requests", str(error), headers={"Retry-After": seconds})
        case StoreUnavailable():
            log.error("the store is away: %s", error)
            return error_response(503, "The store is not available", str(error), headers={"Retry-After": "1"})
        case _:
            log.error("unexpected error", exc_info=error)
            return error_response(500, "Internal Server Error", "The log of the control plane has the cause")


@web.middleware
async def error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error in the one shape."""
    try:
        return await handler(request)
    except MeshmeterError as exc:
        return response_for(exc)
    except web.HTTPException as exc:
        if exc.status < 400:
            raise
        return error_response(exc.status, exc.reason, exc.text or exc.reason, headers=_kept(exc))
    except Exception:
        # The last line of defence of a server: whatever it is, the client gets an answer and the log the cause.
        log.exception("unexpected error in %s %s", quoted(request.method), quoted(request.path))
        return error_response(500, "Internal Server Error", "The log of the control plane has the cause")


def _kept(exc: web.HTTPException) -> dict[str, str]:
    return {"Allow": exc.headers["Allow"]} if "Allow" in exc.headers else {}
