"""Who wrote a value of a Dataplane, for `explain`: the operator who applied it, or the agent that brought it.

The effective settings know one Dataplane. Where operator and agent both wrote it (`written_by`), each origin in it
gains `writtenBy`, and what the operator wrote over also shows what the agent had sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from meshmeter.controlplane.admission.written_by import (
    AGENT,
    OPERATOR,
    agent_layer,
    is_registered,
    operator_layer,
)
from meshmeter.effective.origin import Layer
from meshmeter.resources import codec
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.resource import Resource

Json = dict[str, Any]

_PART = re.compile(r"([^.\[]+)(?:\[(\d+)\])?")


class Writers:
    """Of one stored Dataplane."""

    def __init__(self, dataplane: Resource[DataplaneSpec]):
        agent = agent_layer(dataplane) if is_registered(dataplane) else None
        operator = operator_layer(dataplane)
        self._whole = codec.to_universal(dataplane)
        self._layers: list[tuple[str, Json]] = [
            (who, codec.to_universal(layer))
            for who, layer in ((OPERATOR, operator), (AGENT, agent))
            if layer is not None
        ]
        """Highest first."""

    def told(self, sourced: Json) -> Json:
        """A value of `explain`, its origins in the Dataplane with who wrote them."""
        told = self._one(sourced)
        below = [shown for each in sourced["overrode"] for shown in self._one(each)]
        first, *more = told
        return {**first, "overrode": [*more, *below]}

    def _one(self, sourced: Json) -> list[Json]:
        """The value, then what of a lower layer it hides within the Dataplane."""
        origin = sourced["origin"]
        value = {"value": sourced["value"], "origin": origin}
        if origin["layer"] != Layer.DATAPLANE:
            return [value]
        written = [
            (who, found)
            for who, layer in self._layers
            if (found := self._find(layer, origin["field"])) is not None
        ]
        if not written:
            return [value]
        (top, _), *rest = written
        shown = [{**value, "origin": {**origin, "writtenBy": top}}]
        for who, found in rest:
            shown.append({"value": found, "origin": {**origin, "writtenBy": who}})
        return shown

    def _find(self, layer: Json, path: str) -> Any:
        """The value at a field path of the whole Dataplane in one layer; None if that does not write it.

        Entries are looked up by name: each layer numbers its own.
        """
        here: Any = layer
        whole: Any = self._whole
        for name, index in _PART.findall(path):
            here, whole = _child(here, name), _child(whole, name)
            if index:
                whole = whole[int(index)] if isinstance(whole, list) and int(index) < len(whole) else None
                wanted = _child(whole, "name")
                entries = here if isinstance(here, list) else []
                here = next((entry for entry in entries if _child(entry, "name") == wanted), None)
        return here


def _child(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None
