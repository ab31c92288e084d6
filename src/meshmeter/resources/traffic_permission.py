"""TrafficPermission: which identities may call which destinations (kuma-facts 1.6, 6.1)."""

from __future__ import annotations

from meshmeter.resources.base import Model, Spec

KIND = "TrafficPermission"


class Selector(Model):
    """Proxies chosen by their tags; all tags have to match."""

    match: dict[str, str] | None = None
    """Tag name to value; `*` matches any value."""


class TrafficPermissionSpec(Spec):
    """Spec of a TrafficPermission."""

    sources: tuple[Selector, ...] | None = None
    """Who may call; at least one selector."""
    destinations: tuple[Selector, ...] | None = None
    """What may be called; at least one selector."""
