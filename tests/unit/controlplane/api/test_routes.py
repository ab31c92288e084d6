from __future__ import annotations

import re
from collections import Counter

from meshmeter.controlplane.api.route import Access
from meshmeter.controlplane.api.routes import ALL


def test_no_route_hides_another() -> None:
    assert [key for key, count in Counter((r.method, r.path) for r in ALL).items() if count > 1] == []
    for index, route in enumerate(ALL):
        pattern = re.compile(re.sub(r"{\w+}", "[^/]+", route.path))
        later = [r.path for r in ALL[index + 1 :] if r.method == route.method and pattern.fullmatch(r.path)]
        assert later == [], route.path


def test_only_descriptions_are_public_and_only_identities_guard_themselves() -> None:
    assert {r.path for r in ALL if r.access is Access.PUBLIC} == {"/openapi.json", "/schemas/{kind}"}
    guarded = {"/meshes/{mesh}/identities", "/meshes/{mesh}/trust"}
    assert {r.path for r in ALL if r.access is Access.SELF_GUARDED} == guarded


def test_every_route_says_how_it_succeeds_and_how_a_body_is_refused() -> None:
    for route in ALL:
        assert any(200 <= status < 300 for status in route.answers), route.path
        assert {*route.errors}.isdisjoint(route.answers)
        if route.body is not None:
            assert {400, 413, 415} <= {*route.errors}, route.path
