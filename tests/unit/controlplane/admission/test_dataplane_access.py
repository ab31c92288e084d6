"""For whom a token may speak."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from meshmeter.certs.tokens import DATAPLANE, Claims
from meshmeter.controlplane.admission.dataplane_access import check_document, check_stored
from meshmeter.controlplane.admission.written_by import AGENT, BROUGHT, REGISTERED, marked
from meshmeter.errors import PermissionDenied
from meshmeter.resources.codec import decode

APPLIED = decode(
    {
        "type": "Dataplane",
        "mesh": "default",
        "name": "db-1",
        "networking": {
            "address": "127.0.0.3",
            "inbound": [{"port": 80, "tags": {"kuma.io/service": "db"}}],
        },
    }
)
BROUGHT_BY_AN_AGENT = marked(APPLIED, {REGISTERED: "h", BROUGHT: AGENT})
DB = {"kuma.io/service": ("db",)}


def claims(mesh: str = "default", name: str | None = None, tags: Any = None) -> Claims:
    now = datetime.now(UTC)
    return Claims(DATAPLANE, "t", now, now, now + timedelta(hours=1), "k", mesh, name, tags or {})


def test_a_dataplane_of_an_agent_is_for_every_token_that_allows_its_tags() -> None:
    for allowed in (claims(), claims(name="db-1"), claims(tags=DB)):
        check_stored(allowed, BROUGHT_BY_AN_AGENT)
    with pytest.raises(PermissionDenied, match="not allowed with this token"):
        check_stored(claims(tags={"kuma.io/service": ("web",)}), BROUGHT_BY_AN_AGENT)


def test_a_dataplane_of_an_operator_is_for_the_token_that_names_it() -> None:
    check_stored(claims(name="db-1"), APPLIED)
    check_stored(claims(name="db-1", tags=DB), APPLIED)
    for refused in (claims(), claims(tags=DB)):
        check_document(refused, APPLIED)
        with pytest.raises(PermissionDenied, match="token dataplane --mesh default --name db-1"):
            check_stored(refused, APPLIED)
    for refused in (claims("other", "db-1"), claims(name="db-2")):
        with pytest.raises(PermissionDenied, match="is different than in token"):
            check_stored(refused, APPLIED)
