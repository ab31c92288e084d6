from __future__ import annotations

from meshmeter.resources.traffic_permission import TrafficPermissionSpec
from meshmeter.resources.validation.tags import (
    permission_violations,
    selector_violations,
    service_tag_violations,
    tag_violations,
)


def test_names_and_values_of_tags() -> None:
    found = [str(v) for v in tag_violations({"kuma.io/service": "a", "b@": "c", "d": "", "e": "/"}, "tags")]

    assert found == [
        'tags["b@"]: tag name must consist of alphanumeric characters, dots, dashes, slashes and underscores',
        'tags["d"]: tag value must be non-empty',
        'tags["e"]: tag value must consist of alphanumeric characters, dots, dashes and underscores',
    ]
    assert list(tag_violations(None, "tags")) == []


def test_a_selector_needs_a_tag_and_may_match_anything() -> None:
    assert list(selector_violations({"kuma.io/service": "*", "path": "a/b"}, "match")) == []
    assert [str(v) for v in selector_violations({}, "match")] == ["match: must have at least one tag"]
    assert [str(v) for v in selector_violations(None, "match")] == ["match: must have at least one tag"]


def test_some_tags_have_to_name_the_service() -> None:
    assert list(service_tag_violations({"kuma.io/service": "a"}, "tags")) == []
    assert [str(v) for v in service_tag_violations(None, "tags")] == [
        'tags: mandatory tag "kuma.io/service" is missing'
    ]


def test_both_sides_need_selectors_with_tags() -> None:
    spec = TrafficPermissionSpec.model_validate({"sources": [{"match": {"a": "*"}}, {}]})

    assert [str(violation) for violation in permission_violations(spec)] == [
        "sources[1].match: must have at least one tag",
        "destinations: must have at least one element",
    ]
