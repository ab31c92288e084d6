"""Operator and agent as the authors of one Dataplane, also in rows of an older version."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from meshmeter.controlplane.admission.written_by import (
    AGENT,
    AWAY,
    BROUGHT,
    REGISTERED,
    agent_layer,
    document_hash,
    is_away,
    is_brought,
    is_registered,
    marked,
    marks_of,
    operator_layer,
    plain,
    together,
)
from meshmeter.resources.codec import decode, from_stored, to_stored
from meshmeter.resources.resource import AnyResource


def dataplane(address: str = "127.0.0.3", **conf: Any) -> AnyResource:
    inbound = [{"port": 8080, "tags": {"kuma.io/service": "backend", "kuma.io/zone": "z"}}]
    return decode(
        {
            "type": "Dataplane",
            "mesh": "default",
            "name": "backend-1",
            "networking": {"address": address, "inbound": inbound},
            **({"metrics": {"type": "prometheus", "conf": conf}} if conf else {}),
        }
    )


SENT = dataplane(port=1111)
APPLIED = dataplane("127.0.0.4", path="/applied")


def brought(resource: AnyResource, sent: AnyResource = SENT) -> AnyResource:
    return marked(resource, {REGISTERED: document_hash(sent), BROUGHT: AGENT})


def test_both_layers_come_back_from_what_is_stored() -> None:
    stored = from_stored(to_stored(brought(together(SENT, APPLIED, zone="z"))))
    assert stored.spec == dataplane("127.0.0.4", port=1111, path="/applied").spec
    assert agent_layer(stored) == SENT and operator_layer(stored) == APPLIED
    assert is_brought(stored) and is_registered(stored) and not is_away(stored)


def test_what_one_alone_wrote_needs_no_layers() -> None:
    stored = brought(together(SENT, None, zone="z"))
    assert not stored.meta.layers and "layers" not in to_stored(stored)
    assert agent_layer(stored) == SENT and operator_layer(stored) is None
    assert agent_layer(APPLIED) is None and operator_layer(APPLIED) == APPLIED
    assert not is_brought(APPLIED) and not is_registered(APPLIED)


def test_rows_of_an_older_version_tell_by_their_hash_whether_somebody_changed_them() -> None:
    assert operator_layer(brought(SENT)) is None
    changed = brought(APPLIED)
    assert operator_layer(changed) == APPLIED and agent_layer(changed) is None
    # Version and times, which the store adds, are no change.
    assert operator_layer(replace(brought(SENT), meta=replace(brought(SENT).meta, version=7))) is None


def test_an_operators_change_without_the_agents_document_is_kept_as_it_is() -> None:
    stored = brought(together(None, APPLIED, zone="z"))
    assert stored.spec == APPLIED.spec and operator_layer(stored) == APPLIED and agent_layer(stored) is None


def test_labels_and_annotations_of_both_are_there() -> None:
    one = replace(SENT, meta=replace(SENT.meta, labels={"a": "1", "b": "1"}, annotations={"x": "1"}))
    other = replace(APPLIED, meta=replace(APPLIED.meta, labels={"b": "2"}, annotations={"y": "2"}))
    joined = together(one, other, zone="z")
    assert joined.meta.labels == {"a": "1", "b": "2"} and joined.meta.annotations == {"x": "1", "y": "2"}


def test_marks_are_ours_and_are_set_as_a_whole() -> None:
    away = marked(brought(SENT), marks_of(brought(SENT)) | {AWAY: "true"})
    assert is_away(away) and is_brought(away)
    assert marks_of(marked(away, {REGISTERED: "h"})) == {REGISTERED: "h"}
    assert plain(away) == SENT
