"""Aggregate entries: the application endpoints scraped beside Envoy (deviations D1, D3, D4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as field_of
from functools import cache
from typing import Any

from meshmeter.effective.findings import Finding
from meshmeter.effective.origin import Sourced
from meshmeter.effective.precedence import ConfLayer, builtin, resolve
from meshmeter.resources.base import Model
from meshmeter.resources.metrics import AggregateEntry

DEFAULT_PATH = "/metrics"

OPTIONS = (
    "scheme",
    "tls.caFile",
    "tls.serverName",
    "tls.insecureSkipVerify",
    "bearerTokenFile",
    "basicAuthFile",
    "params",
    "timeout",
    "unixSocket",
    "limits.bodyBytes",
    "limits.samples",
    "limits.labels",
    "limits.labelNameBytes",
    "limits.labelValueBytes",
)
"""Fields of an entry beyond Kuma's."""


@dataclass(frozen=True, slots=True)
class EffectiveAggregate:
    """One application endpoint after joining Mesh and Dataplane by name. Disabled and refused ones are kept
    here for `explain`; `EffectiveMetrics.sources` leaves them out."""

    name: str
    field: str
    """Field path of the entry in the highest layer that mentions it."""
    enabled: Sourced[bool]
    port: Sourced[int | None]
    """None is a finding on this entry, which is then not scraped."""
    path: Sourced[str]
    address: Sourced[str]
    options: Mapping[str, Sourced[Any]] = field_of(default_factory=dict)
    """What else is set, by its path on the wire: `scheme`, `tls.caFile`, `limits.samples` and so on."""
    refused: Finding | None = None
    """Why this entry is not scraped although it is enabled."""

    def option(self, path: str) -> Any:
        """The effective value of one of `OPTIONS`; None if it is not set."""
        found = self.options.get(path)
        return found.value if found else None


def join_aggregates(layers: Iterable[ConfLayer], own_address: Sourced[str]) -> tuple[EffectiveAggregate, ...]:
    """The entries of all layers joined by name and merged field by field, in the order of their first
    mention.

    `own_address` is the default address. An absent name counts as an empty one; of equal names within one
    layer, which validation refuses, the first holds.
    """
    written: dict[str, list[tuple[ConfLayer, int, AggregateEntry]]] = {}
    for layer in layers:
        here: set[str] = set()
        for index, entry in enumerate(layer.conf.aggregate or ()):
            name = entry.name or ""
            if name not in here:
                here.add(name)
                written.setdefault(name, []).append((layer, index, entry))
    return tuple(_join(name, entries, own_address) for name, entries in written.items())


def _options(entries: list[tuple[ConfLayer, int, AggregateEntry]]) -> dict[str, Sourced[Any]]:
    """The fields of an entry beyond Kuma's, each from the highest layer that sets it."""
    found: dict[str, Sourced[Any]] = {}
    for path in OPTIONS:
        written = [
            layer.at(f"aggregate[{index}].{path}", _value(entry, path)) for layer, index, entry in entries
        ]
        if any(written):
            nothing: Sourced[Any] = builtin(None)
            found[path] = resolve(nothing, written)
    return found


def _value(entry: AggregateEntry, path: str) -> Any:
    """The value at a path on the wire; None where nothing is written."""
    value: Any = entry
    for name in path.split("."):
        if value is None:
            return None
        model: type[Model] = type(value)
        value = getattr(value, _attributes(model)[name])
    return value


@cache
def _attributes(model: type[Model]) -> Mapping[str | None, str]:
    """The attributes of a model by their names on the wire."""
    return {info.alias: attribute for attribute, info in model.model_fields.items()}


def _join(
    name: str, entries: list[tuple[ConfLayer, int, AggregateEntry]], own_address: Sourced[str]
) -> EffectiveAggregate:
    no_port: Sourced[int | None] = builtin(None)
    highest, index, _ = entries[-1]
    return EffectiveAggregate(
        name=name,
        field=highest.origin(f"aggregate[{index}]").field,
        enabled=resolve(builtin(True), [at.at(f"aggregate[{i}].enabled", e.enabled) for at, i, e in entries]),
        port=resolve(no_port, [at.at(f"aggregate[{i}].port", e.port) for at, i, e in entries]),
        path=resolve(builtin(DEFAULT_PATH), [at.at(f"aggregate[{i}].path", e.path) for at, i, e in entries]),
        address=resolve(own_address, [at.at(f"aggregate[{i}].address", e.address) for at, i, e in entries]),
        options=_options(entries),
    )
