"""TrafficPermission: which identities may call which destinations (kuma-facts 1.6, 6.1)."""

from __future__ import annotations

from meshmeter.resources.base import Model, Spec

KIND = "TrafficPermission"


class Selector(Model):
    match: dict[str, str] | None = None
    """Tag name to value; `*` matches any value."""


class TrafficPermissionSpec(Spec):
    sources: tuple[Selector, ...] | None = None
    destinations: tuple[Selector, ...] | None = None
