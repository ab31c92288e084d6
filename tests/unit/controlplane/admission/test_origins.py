"""Who wrote a value, in what `explain` says."""

from __future__ import annotations

from typing import Any

from meshmeter.controlplane.admission.origins import Writers
from meshmeter.controlplane.admission.written_by import (
    AGENT,
    BROUGHT,
    REGISTERED,
    document_hash,
    marked,
    together,
)
from meshmeter.controlplane.api.explained_settings import aggregate_json, settings_json
from meshmeter.effective.metrics import effective_metrics
from meshmeter.resources.codec import decode
from meshmeter.resources.resource import AnyResource
from support.resources import metered


def dataplane(**conf: Any) -> AnyResource:
    return decode(
        {
            "type": "Dataplane",
            "mesh": "default",
            "name": "backend-1",
            "networking": {"address": "127.0.0.3"},
            "metrics": {"type": "prometheus", "conf": conf},
        }
    )


SENT = dataplane(port=1111, path="/sent", aggregate=[{"name": "a", "port": 1, "path": "/a"}])
APPLIED = dataplane(port=2222, aggregate=[{"name": "b", "port": 2}, {"name": "a", "port": 3}])


def both() -> AnyResource:
    marks = {REGISTERED: document_hash(SENT), BROUGHT: AGENT}
    return marked(together(SENT, APPLIED, zone="z"), marks)


def told(resource: AnyResource, setting: str) -> list[tuple[Any, str, str | None]]:
    """Value, layer and author, from what holds down to the default."""
    effective = effective_metrics(metered(), resource)
    assert effective is not None
    entry, _, field = setting.rpartition("/")
    if entry:
        (found,) = [e for e in map(aggregate_json, effective.aggregate) if e["name"] == entry]
        sourced = found["settings"][field]
    else:
        sourced = settings_json(effective)[field]
    shown = Writers(resource).told(sourced)
    chain = [{"value": shown["value"], "origin": shown["origin"]}, *shown["overrode"]]
    return [(each["value"], each["origin"]["layer"], each["origin"].get("writtenBy")) for each in chain]


def test_what_both_wrote_shows_both() -> None:
    chain = told(both(), "port")
    assert chain[:2] == [(2222, "Dataplane", "operator"), (1111, "Dataplane", "agent")]
    assert chain[-1] == (5670, "default", None)


def test_what_one_wrote_shows_that_one() -> None:
    assert told(both(), "path")[0] == ("/sent", "Dataplane", "agent")
    assert {who for _, _, who in told(both(), "path")[1:]} == {None}


def test_entries_are_found_by_their_name_in_either_layer() -> None:
    assert told(both(), "a/port")[:2] == [(3, "Dataplane", "operator"), (1, "Dataplane", "agent")]
    assert told(both(), "a/path")[0] == ("/a", "Dataplane", "agent")
    assert told(both(), "b/port")[0] == (2, "Dataplane", "operator")


def test_a_dataplane_of_one_author_names_that_one() -> None:
    assert told(APPLIED, "port")[0] == (2222, "Dataplane", "operator")
    brought = marked(SENT, {REGISTERED: document_hash(SENT), BROUGHT: AGENT})
    assert told(brought, "port")[0] == (1111, "Dataplane", "agent")
