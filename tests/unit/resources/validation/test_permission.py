from __future__ import annotations

from meshmeter.resources.traffic_permission import TrafficPermissionSpec
from meshmeter.resources.validation.permission import permission_violations


def test_both_sides_need_selectors_with_tags() -> None:
    spec = TrafficPermissionSpec.model_validate({"sources": [{"match": {"a": "*"}}, {}]})

    assert [str(violation) for violation in permission_violations(spec)] == [
        "sources[1].match: must have at least one tag",
        "destinations: must have at least one element",
    ]
