"""The diagnostics server: `/metrics`, `/healthy` (the process works), `/ready` (it serves what the store holds).

It is the first server to answer: while the others are not there yet, `/ready` says what the start is waiting for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from meshmeter.controlplane.http.errors import error_middleware

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Readiness:
    """What keeps the control plane from being ready, and what somebody should look at although it is."""

    def __init__(self) -> None:
        self._step: str | None = "making the first things"
        self._checks: dict[str, Callable[[], str | None]] = {}
        self._remarks: list[Callable[[], Iterable[str]]] = []

    @property
    def is_starting(self) -> bool:
        return self._step is not None

    def starting(self, step: str) -> None:
        """The start has come to this step."""
        self._step = step

    def started(self) -> None:
        """Every server is up."""
        self._step = None

    def check(self, part: str, reason: Callable[[], str | None]) -> None:
        """From now on a part is ready only while `reason` gives None."""
        self._checks[part] = reason

    def remark(self, remarks: Callable[[], Iterable[str]]) -> None:
        """From now on tell of these too."""
        self._remarks.append(remarks)

    def reasons(self) -> dict[str, str]:
        """The parts that are not ready, each with its reason; empty means ready."""
        found = {part: reason for part, check in self._checks.items() if (reason := check()) is not None}
        return {"start": self._step, **found} if self._step is not None else found

    def remarks(self) -> list[str]:
        """What costs no readiness."""
        return [text for remarks in self._remarks for text in remarks()]

    def to_json(self) -> dict[str, object]:
        """As `/ready` answers."""
        reasons, remarks = self.reasons(), self.remarks()
        status = "starting" if self.is_starting else "not ready" if reasons else "ready"
        told: Mapping[str, object] = {"reasons": reasons, "findings": remarks}
        return {"status": status, **{name: value for name, value in told.items() if value}}


def diagnostics_app(
    registry: CollectorRegistry,
    readiness: Readiness,
    authorize: Callable[[web.Request], object] = lambda _request: None,
    check_host: Callable[[web.Request], None] = lambda _request: None,
) -> web.Application:
    """`authorize` raises TokenError for who may not read `/metrics`. Health is for everybody: whoever can ask knows
    already that something runs here; `check_host` raises TokenError for a web page that makes a browser ask.
    """

    async def metrics(request: web.Request) -> web.Response:
        authorize(request)
        return web.Response(body=generate_latest(registry), headers={"Content-Type": METRICS_TYPE})

    async def healthy(request: web.Request) -> web.Response:
        check_host(request)
        return web.json_response({"status": "healthy"})

    async def ready(request: web.Request) -> web.Response:
        check_host(request)
        answer = readiness.to_json()
        return web.json_response(answer, status=200 if answer["status"] == "ready" else 503)

    app = web.Application(middlewares=[error_middleware])
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthy", healthy)
    app.router.add_get("/ready", ready)
    return app
