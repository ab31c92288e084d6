"""Who wrote a stored Dataplane: an operator by `apply`, an agent by its registration, or both (decision 0003).

Where both did, the stored resource is what the operator wrote laid over what the agent sent, and both are kept beside
it (`Meta.layers`), so that either can change without the other being lost. Marks tell the rest:

    REGISTERED   an agent sent a document; the value is its hash
    BROUGHT      there was no such Dataplane before an agent sent it; without the mark it is the operator's own
    TOKEN_TAGS   the token that registered it lists tags; the value is what it lists (JSON)
    AWAY         its proxy has gone, and only what an operator wrote keeps the resource; it takes no part in anything
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Set
from dataclasses import replace

from meshmeter.controlplane.admission.zone import with_zone
from meshmeter.resources import codec
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.overlay import entry_names, overlay, without_entries
from meshmeter.resources.resource import EPOCH, AnyResource, Resource

REGISTERED = "meshmeter.io/registered-document"
BROUGHT = "meshmeter.io/brought-by"
AWAY = "meshmeter.io/away"
TOKEN_TAGS = "meshmeter.io/token-tags"

MARKS = frozenset({REGISTERED, BROUGHT, AWAY, TOKEN_TAGS})

AGENT, OPERATOR = "agent", "operator"
"""The layers."""

REMOVED = "removed"
"""Beside the layers: names of the agent's `aggregate` entries that the operator's list left out."""


def is_registered(resource: AnyResource) -> bool:
    """Whether an agent sent something of it."""
    return REGISTERED in resource.meta.annotations


def is_brought(resource: AnyResource) -> bool:
    """Whether it goes with its proxy; else it is the operator's own."""
    return BROUGHT in resource.meta.annotations


def is_away(resource: AnyResource) -> bool:
    """Whether it only waits for its proxy to come back."""
    return AWAY in resource.meta.annotations


def agent_layer(stored: AnyResource) -> Resource[DataplaneSpec] | None:
    """What the agent sent last; None if none did, or a resource of an older version does not tell."""
    if AGENT in stored.meta.layers:
        return codec.from_stored(stored.meta.layers[AGENT])
    return plain(stored) if is_registered(stored) and not _changed_by_operator(stored) else None


def operator_layer(stored: AnyResource) -> Resource[DataplaneSpec] | None:
    """What an operator applied last; None if none did."""
    if OPERATOR in stored.meta.layers:
        return codec.from_stored(stored.meta.layers[OPERATOR])
    return plain(stored) if not is_registered(stored) or _changed_by_operator(stored) else None


def removed_entries(stored: AnyResource, sent: AnyResource) -> Set[str]:
    """Which of the agent's `aggregate` entries an operator took away, for the agent that now sends this."""
    if stored.meta.layers.get(AGENT) is not None:
        return frozenset(stored.meta.layers.get(REMOVED, ()))
    applied = operator_layer(stored)
    if applied is None or stored.meta.annotations.get(REGISTERED) != document_hash(sent):
        return frozenset()
    # A row of an older version: what the operator had before the eyes is what the agent sends again.
    return left_out(sent, applied)


def left_out(agent: AnyResource, operator: AnyResource) -> Set[str]:
    """The agent's entries that are not in the operator's list; none if the operator wrote no list."""
    listed = entry_names(operator.spec)
    return (entry_names(agent.spec) or set()) - listed if listed is not None else frozenset()


def _changed_by_operator(stored: AnyResource) -> bool:
    """Older versions kept no layers: that what is there is not what the agent sent shows that somebody changed it."""
    return document_hash(plain(stored)) != stored.meta.annotations[REGISTERED]


def plain(resource: AnyResource) -> AnyResource:
    """The resource as its document says it, without anything of the store's and of ours."""
    annotations = {k: v for k, v in resource.meta.annotations.items() if k not in MARKS}
    meta = replace(
        resource.meta,
        annotations=annotations,
        layers={},
        version=0,
        creation_time=EPOCH,
        modification_time=EPOCH,
    )
    return replace(resource, meta=meta)


def joint_spec(agent: AnyResource, operator: AnyResource, removed: Set[str] = frozenset()) -> DataplaneSpec:
    """The operator's fields over the agent's, without the agent's entries that the operator removed."""
    return overlay(without_entries(agent.spec, removed), operator.spec)


def together(
    agent: AnyResource | None, operator: AnyResource | None, *, zone: str, removed: Set[str] = frozenset()
) -> AnyResource:
    """What holds, with the layers. At least one of them is there; marks are the caller's."""
    if agent is None or operator is None:
        one = agent or operator
        assert one is not None
        layers = {OPERATOR: codec.to_stored(one)} if agent is None else {}
        return with_zone(replace(one, meta=replace(one.meta, layers=layers)), zone)
    meta = replace(
        agent.meta,
        labels={**agent.meta.labels, **operator.meta.labels},
        annotations={**agent.meta.annotations, **operator.meta.annotations},
        name_extensions=operator.meta.name_extensions or agent.meta.name_extensions,
        layers={
            AGENT: codec.to_stored(agent),
            OPERATOR: codec.to_stored(operator),
            **({REMOVED: sorted(removed)} if removed else {}),
        },
    )
    return with_zone(replace(agent, meta=meta, spec=joint_spec(agent, operator, removed)), zone)


def marked(resource: AnyResource, marks: Mapping[str, str]) -> AnyResource:
    """The resource with these marks and no others."""
    kept = {k: v for k, v in resource.meta.annotations.items() if k not in MARKS}
    return replace(resource, meta=replace(resource.meta, annotations={**kept, **marks}))


def marks_of(stored: AnyResource) -> dict[str, str]:
    """Its marks."""
    return {k: v for k, v in stored.meta.annotations.items() if k in MARKS}


def document_hash(resource: AnyResource) -> str:
    """Equal for equal content, whatever the envelope it came in."""
    content = codec.to_stored(resource)
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:32]
