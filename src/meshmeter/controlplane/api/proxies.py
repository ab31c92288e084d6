"""What holds for the metrics of proxies, and the state that each is in, over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from aiohttp import web
from pydantic import WithJsonSchema

from meshmeter.controlplane.admission.written_by import is_away
from meshmeter.controlplane.api.bodies import AnswerBody, DataplaneDocument
from meshmeter.controlplane.api.explain import Explainer
from meshmeter.controlplane.api.explained_state import METRICS_WORDS
from meshmeter.controlplane.api.hidden_keys import hide
from meshmeter.controlplane.api.lookup import Lookup
from meshmeter.controlplane.http.errors import Refusal
from meshmeter.controlplane.proxies.status import State
from meshmeter.resources import codec, dataplane
from meshmeter.resources.kinds import KINDS
from meshmeter.resources.resource import AnyResource, Key
from meshmeter.store.base import Store

KEPT = (
    "What an operator applied to its Dataplane is kept for when it comes back; "
    "`meshmeter delete dataplane` forgets that"
)


RecordedTime = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


class Refused(AnswerBody):
    """What Envoy refused last."""

    type: str
    """URL of the type of its resources."""
    message: str
    at: RecordedTime | None


class Overview(AnswerBody):
    """A Dataplane and the state of its proxy."""

    mesh: str
    name: str
    dataplane: DataplaneDocument
    metrics: Annotated[str, WithJsonSchema({"enum": list(METRICS_WORDS)})]
    finding: str | None = None
    """Code of what keeps the endpoint closed."""
    status: State
    connected_since: RecordedTime | None
    agent_version: str
    envoy_version: str
    acknowledged: dict[str, str]
    """Version of each type of resources that Envoy took over."""
    nack: Refused | None


class ProxyApi:
    """The handlers."""

    def __init__(self, store: Store, lookup: Lookup, explainer: Explainer):
        self._store = store
        self._lookup = lookup
        self._explainer = explainer

    async def explain_dataplane(self, request: web.Request) -> web.Response:
        within, name = await self._lookup.mesh(request) or "", request.match_info["name"]
        answer = self._explainer.dataplane(within, name)
        stored = await self._lookup.stored(Key(dataplane.KIND, within, name)) if answer is None else None
        if stored is not None and is_away(stored):
            raise Refusal(404, "Could not retrieve a resource", f"the proxy of {stored.key} is away. {KEPT}")
        return _found(answer)

    async def explain_mesh(self, request: web.Request) -> web.Response:
        return _found(self._explainer.mesh(request.match_info["name"]))

    async def overview(self, request: web.Request) -> web.Response:
        resource = await self._store.get(await self._lookup.key(KINDS[dataplane.KIND], request))
        (shown,) = self._with_overviews([resource])
        return shown.response()

    async def overviews(self, request: web.Request) -> web.Response:
        return await self._lookup.page(KINDS[dataplane.KIND], request, self._with_overviews)

    def _with_overviews(self, dataplanes: Sequence[AnyResource]) -> list[Overview]:
        return [
            Overview(mesh=item.mesh, name=item.name, dataplane=hide(codec.to_universal(item)), **overview)
            for item, overview in zip(dataplanes, self._explainer.overviews(dataplanes), strict=True)
        ]


def _found(answer: dict[str, Any] | None) -> web.Response:
    if answer is None:
        raise Refusal(404, "Could not retrieve a resource", "Not found")
    return web.json_response(answer)
