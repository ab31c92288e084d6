"""The discovery API: where Prometheus finds the proxies of the mesh (design 7, kuma-facts 7.2).

    POST /v3/discovery:monitoringassignments[?fetch-timeout=D]   for kuma_sd_configs; waits up to D for a change
    POST /direct/v3/discovery:monitoringassignments              the same for those with a certificate of the mesh
    GET  /v1/targets[?mesh=M][&service=S][&direct=true]          for http_sd_configs; with ETag

`direct` is for a Prometheus that has a certificate of the mesh itself, instead of a sidecar that adds the TLS: what
is behind the mesh's mTLS then has scheme https. In `/direct` there are no targets with provided TLS, which another
authority verifies: kuma_sd_configs has no way to tell them apart.

Both answer from the same assignments, gzip-compressed where the client accepts it. Errors are JSON of the
type `/std-errors` (kuma-facts 9.2).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import ETag, hdrs, web

from meshmeter.controlplane.discovery.sd_bodies import Body, BodyCache
from meshmeter.controlplane.http.limits import IDLE_SECONDS
from meshmeter.controlplane.reconcile.published import Published
from meshmeter.durations import parse_duration
from meshmeter.errors import PermissionDenied, TokenError, Unauthenticated
from meshmeter.mads.assignments import AssignmentSnapshot, Selection
from meshmeter.mads.messages import DiscoveryRequest, parse_request

DISCOVERY_PATH = "/v3/discovery:monitoringassignments"
DIRECT_PATH = f"/direct{DISCOVERY_PATH}"
TARGETS_PATH = "/v1/targets"

DEFAULT_FETCH_TIMEOUT = 30.0
"""Seconds a poll waits when the client does not say."""

MAX_WAIT = 600.0
"""Seconds a poll waits at most, whatever the client asks for: one that vanished silently is not kept
longer."""

WORTH_COMPRESSING = 1024
"""Bytes; below that gzip gains nothing."""

MAX_REQUEST = 1 << 20
"""Bytes of a request body."""

Authorize = Callable[[web.Request], frozenset[str] | None]
"""The meshes that the client of a request may see, None for all; raises TokenError if it may see nothing."""


def discovery_app(
    assignments: Published[AssignmentSnapshot],
    *,
    default_fetch_timeout: float = DEFAULT_FETCH_TIMEOUT,
    max_wait: float = MAX_WAIT,
    authorize: Authorize,
    watch_tokens: Callable[[Callable[[], None]], None] = lambda _reconsider: None,
) -> web.Application:
    """The application; serve it with `discovery_runner`. `watch_tokens` takes what is to be called when tokens may have
    become void."""
    api = _DiscoveryApi(assignments, default_fetch_timeout, max_wait, authorize)
    watch_tokens(api.reconsider)
    app = web.Application(client_max_size=MAX_REQUEST, middlewares=[_errors])
    app.router.add_post(DISCOVERY_PATH, api.discover)
    app.router.add_post(DIRECT_PATH, api.discover_direct)
    app.router.add_get(TARGETS_PATH, api.targets)
    app.on_shutdown.append(api.release)
    return app


def discovery_runner(app: web.Application) -> web.AppRunner:
    """A runner for `discovery_app`: a client that hangs up frees its poll at once, and stopping does not
    wait."""
    return web.AppRunner(
        app,
        handler_cancellation=True,
        keepalive_timeout=IDLE_SECONDS,
        shutdown_timeout=2.0,
        access_log=None,
    )


class _DiscoveryApi:
    def __init__(
        self,
        assignments: Published[AssignmentSnapshot],
        default_fetch_timeout: float,
        max_wait: float,
        authorize: Authorize,
    ):
        self._assignments = assignments
        self._default_fetch_timeout = default_fetch_timeout
        self._max_wait = max_wait
        self._authorize = authorize
        self._bodies = BodyCache()
        self._polls: dict[asyncio.Timeout, web.Request] = {}
        self._stopping = False

    async def discover(self, request: web.Request) -> web.Response:
        return await self._discover(request, direct=False)

    async def discover_direct(self, request: web.Request) -> web.Response:
        return await self._discover(request, direct=True)

    async def _discover(self, request: web.Request, *, direct: bool) -> web.Response:
        meshes = self._authorize(request)
        wait = self._fetch_timeout(request)
        wanted = await _discovery_request(request)
        selection = Selection(meshes=meshes, names=wanted.resource_names, provided_tls=not direct)
        selected = await self._newer(request, selection, wanted.version_info, wait)
        self._authorize(request)  # a token may have been revoked meanwhile
        if selected.version == wanted.version_info:
            return web.Response(status=304)
        return await _response(request, self._bodies.discovery(selected, direct=direct))

    async def targets(self, request: web.Request) -> web.Response:
        meshes = self._authorize(request)
        for parameter in request.query:
            if parameter not in ("mesh", "service", "direct"):
                raise _BadRequest(
                    "Unknown query parameter", f"{parameter!r} is none of mesh, service, direct"
                )
        direct = request.query.get("direct", "false")
        if direct not in ("true", "false"):
            raise _BadRequest("Could not parse direct", f"must be true or false, not {direct!r}")
        mesh = request.query.get("mesh")
        if mesh is not None:
            if meshes is not None and mesh not in meshes:
                raise PermissionDenied(f"the token does not cover mesh {mesh!r}")
            meshes = frozenset({mesh})
        selection = Selection(meshes=meshes, service=request.query.get("service"))
        selected = self._bodies.select(self._assignments.value, selection)
        etag = ETag(selected.version, is_weak=True)
        if any(known.value in (etag.value, "*") for known in request.if_none_match or ()):
            response = web.Response(status=304)
        else:
            response = await _response(request, self._bodies.targets(selected, direct=direct == "true"))
        response.etag = etag
        return response

    async def release(self, _app: web.Application) -> None:
        """Answer every waiting poll now, and let no other wait."""
        self._stopping = True
        for poll in self._polls:
            _end(poll)

    def reconsider(self) -> None:
        """Tokens may have become void: polls of who may not ask any more wait no longer."""
        for poll, request in self._polls.items():
            try:
                self._authorize(request)
            except TokenError:
                _end(poll)

    def _fetch_timeout(self, request: web.Request) -> float:
        given = request.query.get("fetch-timeout")
        if given is None:
            return self._default_fetch_timeout
        try:
            return min(parse_duration(given), self._max_wait)
        except ValueError as exc:
            raise _BadRequest("Could not parse fetch-timeout", str(exc)) from exc

    async def _newer(
        self, request: web.Request, selection: Selection, known: str, wait: float
    ) -> AssignmentSnapshot:
        """What the client gets: at once if it is not the known version, else after a change or `wait`
        seconds."""
        selected = self._bodies.select(self._assignments.value, selection)
        if selected.version != known or wait <= 0 or self._stopping:
            return selected
        timeout = asyncio.timeout(wait)
        try:
            async with timeout:
                self._polls[timeout] = request
                while selected.version == known:
                    selected = self._bodies.select(await self._assignments.next(), selection)
        except TimeoutError:
            pass  # unchanged for so long, which is an answer as well
        finally:
            self._polls.pop(timeout, None)
        return selected


def _end(poll: asyncio.Timeout) -> None:
    if not poll.expired():
        poll.reschedule(asyncio.get_running_loop().time())


async def _discovery_request(request: web.Request) -> DiscoveryRequest:
    try:
        return parse_request(await request.read())
    except ValueError as exc:
        raise _BadRequest("Could not parse request body", str(exc)) from exc


async def _response(request: web.Request, body: Body) -> web.Response:
    headers: dict[str, str] = {hdrs.VARY: hdrs.ACCEPT_ENCODING}
    content = await body.plain()
    if len(content) >= WORTH_COMPRESSING and _accepts_gzip(request):
        headers[hdrs.CONTENT_ENCODING] = "gzip"
        content = await body.gzipped()
    return web.Response(body=content, content_type="application/json", headers=headers)


def _accepts_gzip(request: web.Request) -> bool:
    for item in request.headers.get(hdrs.ACCEPT_ENCODING, "").split(","):
        coding, _, quality = item.partition(";")
        if coding.strip().lower() == "gzip":
            return quality.replace(" ", "").lower() not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


class _BadRequest(Exception):
    def __init__(self, title: str, detail: str):
        self.title, self.detail = title, detail
        super().__init__(f"{title}: {detail}")


@web.middleware
async def _errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except _BadRequest as exc:
        return _error(400, exc.title, exc.detail)
    except Unauthenticated as exc:
        response = _error(401, "Authentication required", str(exc))
        response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
        return response
    except TokenError as exc:
        return _error(403, "Access Denied", str(exc))
    except web.HTTPClientError as exc:
        response = _error(exc.status, exc.reason, exc.text or exc.reason)
        if hdrs.ALLOW in exc.headers:
            response.headers[hdrs.ALLOW] = exc.headers[hdrs.ALLOW]
        return response


def _error(status: int, title: str, detail: str) -> web.Response:
    body = {"type": "/std-errors", "status": status, "title": title, "detail": detail, "details": detail}
    return web.json_response(body, status=status)
