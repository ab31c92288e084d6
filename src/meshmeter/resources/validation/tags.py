"""Rules for maps of tags, as properties of a proxy and as selectors of others (kuma-facts 1.3), and for a
TrafficPermission, which is made of such selectors (kuma-facts 1.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from meshmeter.errors import Violation
from meshmeter.resources import paths, syntax
from meshmeter.resources.dataplane import SERVICE_TAG
from meshmeter.resources.traffic_permission import Selector, TrafficPermissionSpec


def tag_violations(tags: Mapping[str, str] | None, path: str) -> Iterator[Violation]:
    """Faults of names and values of tags that something carries."""
    return _violations(tags, path, syntax.tag_value_fault)


def selector_violations(tags: Mapping[str, str] | None, path: str) -> Iterator[Violation]:
    """Faults of a selector, which needs at least one tag."""
    if not tags:
        yield Violation(path, "must have at least one tag")
    yield from _violations(tags, path, syntax.selector_value_fault)


def service_tag_violations(tags: Mapping[str, str] | None, path: str) -> Iterator[Violation]:
    """A fault if the tags do not say which service it is."""
    if SERVICE_TAG not in (tags or {}):
        yield Violation(path, f'mandatory tag "{SERVICE_TAG}" is missing')


def permission_violations(spec: TrafficPermissionSpec) -> Iterator[Violation]:
    """Faults of `sources`, then of `destinations`."""
    yield from _selectors(spec.sources, "sources")
    yield from _selectors(spec.destinations, "destinations")


def _selectors(selectors: tuple[Selector, ...] | None, path: str) -> Iterator[Violation]:
    if not selectors:
        yield Violation(path, "must have at least one element")
    for index, selector in enumerate(selectors or ()):
        yield from selector_violations(selector.match, f"{paths.item(path, index)}.match")


def _violations(
    tags: Mapping[str, str] | None, path: str, value_fault: Callable[[str], str | None]
) -> Iterator[Violation]:
    for name, value in (tags or {}).items():
        at = paths.key(path, name)
        if reason := syntax.tag_name_fault(name):
            yield Violation(at, reason)
        if reason := value_fault(value):
            yield Violation(at, reason)
