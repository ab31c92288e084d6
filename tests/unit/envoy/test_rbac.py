"""The access filter of a TrafficPermission."""

from __future__ import annotations

from typing import Any

from meshmeter.envoy.rbac import rbac_filter
from support.resources import permission
from support.snapshots import normal


def principals(*sources: dict[str, str]) -> list[dict[str, Any]]:
    made = rbac_filter(
        "l", "default", permission("p", sources=[*sources], destinations=[{"kuma.io/service": "x"}])
    )
    found: list[dict[str, Any]] = normal(made["typedConfig"])["rules"]["policies"]["p"]["principals"]
    return found


def exact(identity: str) -> dict[str, Any]:
    return {"authenticated": {"principalName": {"exact": identity}}}


def test_without_permission_nobody_is_let_in() -> None:
    made = rbac_filter("inbound:192.168.0.1:80", "default", None)
    assert normal(made["typedConfig"]) == {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC",
        "rules": {},
        "statPrefix": "inbound_192_168_0_1_80.",
    }


def test_a_service_is_a_spiffe_identity() -> None:
    assert principals({"kuma.io/service": "web"}) == [exact("spiffe://default/web")]


def test_all_tags_of_a_source_have_to_be_in_the_certificate() -> None:
    (both,) = principals({"kuma.io/service": "web", "version": "1"})
    assert both == {"andIds": {"ids": [exact("spiffe://default/web"), exact("kuma://version/1")]}}


def anything(start: str) -> dict[str, Any]:
    return {"authenticated": {"principalName": {"safeRegex": {"regex": f"{start}[^/]+"}}}}


def test_a_wildcard_asks_for_the_tag() -> None:
    """An identity of a service alone has no tag `env`."""
    assert principals({"env": "*"}) == [anything("kuma://env/")]
    (both,) = principals({"env": "*", "version": "1"})
    assert both == {"andIds": {"ids": [anything("kuma://env/"), exact("kuma://version/1")]}}


def test_any_service_asks_for_nothing() -> None:
    assert principals({"kuma.io/service": "*"}) == [{"any": True}]
    assert principals({"kuma.io/service": "*", "version": "1"}) == [exact("kuma://version/1")]


def test_no_value_reaches_into_the_name_of_another_tag() -> None:
    """`kuma://team/env/prod` is the value `prod` of the tag `team/env`."""
    assert principals({"team": "env/prod"}) == [exact("kuma://")]
    assert principals({"team.x": "*"}) == [anything(r"kuma://team\.x/")]


def test_any_source_will_do() -> None:
    assert principals({"kuma.io/service": "a"}, {"kuma.io/service": "b"}) == [
        exact("spiffe://default/a"),
        exact("spiffe://default/b"),
    ]
