"""Rules for a TrafficPermission (kuma-facts 1.6)."""

from __future__ import annotations

from collections.abc import Iterator

from meshmeter.errors import Violation
from meshmeter.resources import paths
from meshmeter.resources.traffic_permission import Selector, TrafficPermissionSpec
from meshmeter.resources.validation.tags import selector_violations


def permission_violations(spec: TrafficPermissionSpec) -> Iterator[Violation]:
    """Faults of `sources`, then of `destinations`."""
    yield from _selectors(spec.sources, "sources")
    yield from _selectors(spec.destinations, "destinations")


def _selectors(selectors: tuple[Selector, ...] | None, path: str) -> Iterator[Violation]:
    if not selectors:
        yield Violation(path, "must have at least one element")
    for index, selector in enumerate(selectors or ()):
        yield from selector_violations(selector.match, f"{paths.item(path, index)}.match")
