"""`overlay`: one Dataplane laid over another, field by field.

What the upper one writes holds, what it leaves out comes from the lower one. Messages are joined by their fields and
`aggregate` entries by their names; any other list, and a map such as `tags`, is one value: half of a tag set of each
would be a tag set that nobody wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
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


def entry_names(spec: DataplaneSpec) -> set[str] | None:
    """The names of its `aggregate` entries; None if it has no such list."""
    conf = spec.metrics.conf if spec.metrics else None
    if conf is None or conf.aggregate is None:
        return None
    return {entry.name or "" for entry in conf.aggregate}


def without_entries(spec: DataplaneSpec, names: Set[str]) -> DataplaneSpec:
    """The same without the `aggregate` entries of these names."""
    metrics = spec.metrics
    if metrics is None or metrics.conf is None or not names & (entry_names(spec) or set()):
        return spec
    kept = tuple(entry for entry in metrics.conf.aggregate or () if (entry.name or "") not in names)
    conf = metrics.conf.model_copy(update={"aggregate": kept})
    return spec.model_copy(update={"metrics": metrics.model_copy(update={"conf": conf})})


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
        values[name] = _value(name, below, getattr(upper, name))
    return upper.model_copy(update=values)


def _value(name: str, lower: Any, upper: Any) -> Any:
    if upper is None or lower is None:
        return lower if upper is None else upper
    if isinstance(upper, Model):
        return _message(lower, upper)
    if name == "aggregate":
        return _entries(lower, upper)
    return upper


def _entries(lower: Sequence[AggregateEntry], upper: Sequence[AggregateEntry]) -> tuple[AggregateEntry, ...]:
    """The lower one's entries in their order, then those that only the upper one has."""
    over = {entry.name or "": entry for entry in upper}
    joined = {entry.name or "": entry for entry in lower}
    for name, entry in over.items():
        joined[name] = _message(joined[name], entry) if name in joined else entry
    return tuple(joined.values())
