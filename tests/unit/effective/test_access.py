"""Which TrafficPermission holds for a destination (kuma-facts 6.1)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from meshmeter.effective.access import admitted_sources, matches, select_permission
from meshmeter.resources.resource import Resource
from meshmeter.resources.traffic_permission import TrafficPermissionSpec
from support.resources import permission

Permission = Resource[TrafficPermissionSpec]
SERVICE = "kuma.io/service"
WEB = {SERVICE: "web", "version": "v1"}
EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


def to(name: str, *destinations: dict[str, str], created: datetime = EARLY) -> Permission:
    return permission(name, sources=[{SERVICE: "kong"}], destinations=list(destinations), created=created)


@pytest.mark.parametrize(
    ("selector", "tags", "expected"),
    [
        ({SERVICE: "web"}, WEB, True),
        ({SERVICE: "*"}, WEB, True),
        ({SERVICE: "web", "version": "v2"}, WEB, False),
        ({"region": "*"}, WEB, False),
        ({SERVICE: "we*"}, WEB, False),
        ({}, WEB, True),
        ({SERVICE: "web"}, {}, False),
    ],
)
def test_matches(selector: dict[str, str], tags: dict[str, str], expected: bool) -> None:
    assert matches(selector, tags) is expected


def chosen(*permissions: Permission) -> str | None:
    found = select_permission(permissions, WEB)
    assert found == select_permission(reversed(permissions), WEB), "the order given plays no part"
    return found.name if found else None


def test_more_tags_win() -> None:
    assert (
        chosen(to("less", {SERVICE: "web"}, created=LATE), to("more", {SERVICE: "*", "version": "*"}))
        == "more"
    )


def test_more_exact_tags_win() -> None:
    assert chosen(to("any", {SERVICE: "*"}, created=LATE), to("exact", {SERVICE: "web"})) == "exact"


def test_the_younger_wins() -> None:
    assert chosen(to("a", {SERVICE: "web"}), to("b", {SERVICE: "web"}, created=LATE)) == "b"


def test_the_name_decides_last() -> None:
    assert chosen(to("b", {SERVICE: "web"}), to("a", {SERVICE: "web"})) == "a"


def test_the_best_of_several_destinations_counts() -> None:
    several = to("several", {SERVICE: "*"}, {SERVICE: "web", "version": "v1"})
    assert chosen(several, to("one", {SERVICE: "web"}, created=LATE)) == "several"


def test_no_permission_matches() -> None:
    assert chosen(to("other", {SERVICE: "api"})) is None
    assert chosen() is None


def test_those_who_may_call() -> None:
    both = permission(
        "p", sources=[{SERVICE: "prometheus"}, {SERVICE: "grafana"}], destinations=[{SERVICE: "web"}]
    )
    assert admitted_sources(both) == ({SERVICE: "prometheus"}, {SERVICE: "grafana"})
    assert admitted_sources(None) == ()
