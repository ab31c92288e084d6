"""Apply over HTTP: several documents in one request, all written or none (`batch`)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from aiohttp import web
from pydantic import BeforeValidator, ConfigDict, Field

from meshmeter.addresses import IPNetwork
from meshmeter.controlplane.api.batch import MOST_DOCUMENTS, apply_resources, decode_documents
from meshmeter.controlplane.api.bodies import AnyDocument, RequestBody
from meshmeter.controlplane.api.hidden_keys import is_hidden, restore
from meshmeter.controlplane.api.lookup import Lookup
from meshmeter.controlplane.http.errors import Refusal
from meshmeter.controlplane.http.request_body import LARGEST_BATCH, read_json
from meshmeter.errors import Violation
from meshmeter.resources.envelope import open_envelope
from meshmeter.resources.faults import Faults
from meshmeter.resources.limits import DEFAULT_LIMITS, Limits
from meshmeter.resources.resource import Key
from meshmeter.store.base import Store


def _documents(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("must be a list of resources")
    if len(value) > MOST_DOCUMENTS:
        raise ValueError(f"there may be at most {MOST_DOCUMENTS} documents, not {len(value)}")
    return value


class BatchRequest(RequestBody):
    """The resources, in either form and any order."""

    model_config = ConfigDict(extra="ignore")

    documents: Annotated[list[AnyDocument], BeforeValidator(_documents), Field(max_length=MOST_DOCUMENTS)]


class ApplyApi:
    """The handler."""

    def __init__(
        self,
        store: Store,
        lookup: Lookup,
        *,
        zone: str,
        allowed_networks: Sequence[IPNetwork] = (),
        limits: Limits = DEFAULT_LIMITS,
    ):
        self._store = store
        self._lookup = lookup
        self._zone = zone
        self._allowed_networks = tuple(allowed_networks)
        self._limits = limits

    async def apply(self, request: web.Request) -> web.Response:
        dry_run = _flag(request, "dry-run")
        asked = BatchRequest.read(await read_json(request, LARGEST_BATCH))
        documents = [await self._with_keys(each, index) for index, each in enumerate(asked.documents)]
        decoded = await asyncio.to_thread(decode_documents, documents, self._limits)
        batch = await apply_resources(
            self._store,
            decoded,
            zone=self._zone,
            allowed_networks=self._allowed_networks,
            dry_run=dry_run,
        )
        answer = await asyncio.to_thread(batch.applied, with_diff=dry_run)
        return answer.response()

    async def _with_keys(self, document: object, index: int) -> object:
        """A document that refers to what is stored and not shown, with that. Raises InvalidResource."""
        if not isinstance(document, dict) or not is_hidden(document):
            return document
        envelope = open_envelope(document, Faults())
        if envelope is None:
            return document  # decoding it says why
        key = Key(envelope.kind.name, envelope.meta.mesh, envelope.meta.name)
        return restore(document, await self._lookup.stored(key), where=f"documents[{index}].")


def _flag(request: web.Request, name: str) -> bool:
    value = request.query.get(name, "false")
    if value not in ("true", "false"):
        raise Refusal(400, "Bad Request", "Invalid parameter", [Violation(name, "must be true or false")])
    return value == "true"
