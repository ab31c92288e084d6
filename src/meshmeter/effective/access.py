"""Access by TrafficPermission: which one holds for a destination, and whom it lets in (kuma-facts 6.1).

Exactly one permission applies to a destination. The metrics endpoint is a destination of its own, whose tags
are those of the backend (`conf.tags`), so the same selection serves inbounds and metrics (deviations D10).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from meshmeter.resources.resource import Resource
from meshmeter.resources.traffic_permission import Selector, TrafficPermissionSpec

ANY = "*"
"""Value of a selector that matches every value of its tag."""


def matches(selector: Mapping[str, str], tags: Mapping[str, str]) -> bool:
    """True if every tag of the selector is there with that value, or with any value for `*`."""
    return all(key in tags and value in (ANY, tags[key]) for key, value in selector.items())


def select_permission(
    permissions: Iterable[Resource[TrafficPermissionSpec]], tags: Mapping[str, str]
) -> Resource[TrafficPermissionSpec] | None:
    """The permission that holds for a destination with these tags, or None: then nobody may call it.

    The destination selector with more tags wins, at the same number the one with more exact values, then the
    younger permission, then the name that sorts first. Sources play no part in the choice.
    """
    best: tuple[tuple[int, int], Resource[TrafficPermissionSpec]] | None = None
    for permission in sorted(permissions, key=lambda p: (-p.meta.creation_time.timestamp(), p.name)):
        rank = _rank(permission.spec.destinations or (), tags)
        if rank is not None and (best is None or rank > best[0]):
            best = (rank, permission)
    return best[1] if best else None


def _rank(destinations: Iterable[Selector], tags: Mapping[str, str]) -> tuple[int, int] | None:
    """Number of tags and number of exact ones, of the best selector that matches."""
    ranks = [
        (len(selector), sum(value != ANY for value in selector.values()))
        for selector in (destination.match or {} for destination in destinations)
        if matches(selector, tags)
    ]
    return max(ranks, default=None)


def admitted_sources(permission: Resource[TrafficPermissionSpec] | None) -> tuple[Mapping[str, str], ...]:
    """The selectors of those who may call, in written order; empty when there is no permission."""
    if permission is None:
        return ()
    return tuple(source.match or {} for source in permission.spec.sources or ())
