"""`overlay`: one Dataplane laid over another, field by field.

What the upper one writes holds, what it leaves out comes from the lower one. Messages are joined by their fields and
`aggregate` entries by their names; any other list, and a map such as `tags`, is one value: half of a tag set of each
would be a tag set that nobody wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from meshmeter.resources.base import Model
from meshmeter.resources.dataplane import DataplaneSpec, Networking
from meshmeter.resources.metrics import AggregateEntry, AggregateTls, PrometheusConf

M = TypeVar("M", bound=Model)

ALTERNATIVES: Mapping[type[Model], Sequence[tuple[str, str]]] = {
    Networking: (("gateway", "inbound"),),
    PrometheusConf: (("skip_mtls", "tls"),),
    AggregateEntry: (("bearer_token_file", "basic_auth_file"),),
    AggregateTls: (("ca_file", "insecure_skip_verify"),),
}
"""Fields of which a message may have only one, or that say the same in two ways."""


def overlay(lower: DataplaneSpec, upper: DataplaneSpec) -> DataplaneSpec:
    """Both as one; neither is changed. The result may break rules that each of them keeps."""
    return _message(lower, upper)


def _message(lower: M, upper: M) -> M:
    hidden = set()
    for pair in ALTERNATIVES.get(type(upper), ()):
        for here, other in (pair, pair[::-1]):
            # An empty list chooses nothing: a gateway may say that it has no inbounds.
            if getattr(upper, here) not in (None, ()):
                hidden.add(other)
    values: dict[str, Any] = {}
    for name in type(upper).model_fields:
        below = None if name in hidden else getattr(lower, name)
        values[name] = _value(below, getattr(upper, name))
    return upper.model_copy(update=values)


def _value(lower: Any, upper: Any) -> Any:
    if upper is None or lower is None:
        return lower if upper is None else upper
    if isinstance(upper, Model):
        return _message(lower, upper)
    if upper and isinstance(upper, tuple) and isinstance(upper[0], AggregateEntry):
        return _entries(lower, upper)
    return upper


def _entries(
    lower: Sequence[AggregateEntry], upper: Sequence[AggregateEntry]
) -> tuple[AggregateEntry, ...]:
    """The lower one's entries in their order, then those that only the upper one has."""
    over = {entry.name or "": entry for entry in upper}
    joined = {entry.name or "": entry for entry in lower}
    for name, entry in over.items():
        joined[name] = _message(joined[name], entry) if name in joined else entry
    return tuple(joined.values())
