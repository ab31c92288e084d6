"""What tokens say of tags that they do not list."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from meshmeter.certs.tokens import DATAPLANE, Claims
from meshmeter.controlplane.admission.token_tags import (
    certificate_findings,
    certified_tags,
    check_labels,
    token_marks,
)
from meshmeter.controlplane.admission.written_by import marked, together
from meshmeter.controlplane.identity.identities import identity_tags
from meshmeter.errors import PermissionDenied
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.resource import Resource
from support.resources import dataplane, metered, permission

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def claims(name: str | None = None, **tags: str) -> Claims:
    listed = {tag: (value,) for tag, value in tags.items()}
    return Claims(DATAPLANE, "t", NOW, NOW, NOW, "k", "default", name, listed)


def tagged(**tags: str) -> DataplaneSpec:
    return dataplane(inbound=[{"port": 1, "tags": {"kuma.io/service": "web", **tags}}]).spec


@pytest.mark.parametrize("tag", ["__address__", "job", "kuma.io/mesh-gateway"])
def test_a_tag_that_would_steer_prometheus_has_to_be_listed(tag: str) -> None:
    with pytest.raises(PermissionDenied, match=f'contains tag "{tag}".*--tag {tag}=VALUE'):
        check_labels(claims(**{"kuma.io/service": "web"}), tagged(**{tag: "x"}))
    check_labels(claims(**{"kuma.io/service": "web", tag: "x"}), tagged(**{tag: "x"}))
    check_labels(claims(name="backend-1"), tagged(**{tag: "x"}))


def test_ordinary_tags_need_not_be_listed() -> None:
    check_labels(claims(**{"kuma.io/service": "web"}), tagged(version="v1"))


WEB = {"kuma.io/service": "web"}


def registered(token: Claims, **tags: str) -> Resource[DataplaneSpec]:
    """A Dataplane as it is stored when an agent with this token brought it."""
    sent = dataplane(inbound=[{"port": 1, "tags": {"kuma.io/zone": "east", **WEB, **tags}}])
    return marked(sent, token_marks(token, "east"))


def test_a_certificate_says_what_the_token_lists_and_the_zone_of_the_control_plane() -> None:
    found = registered(claims(**WEB), env="prod")
    assert certified_tags(found) == {"kuma.io/service": {"web"}, "kuma.io/zone": {"east"}}
    assert certified_tags(registered(claims(**WEB, env="prod"), env="prod"))["env"] == {"prod"}
    assert "env" not in certified_tags(registered(claims(**WEB, env="test"), env="prod"))
    away = registered(claims(**WEB), **{"kuma.io/zone": "west"})
    assert "kuma.io/zone" not in certified_tags(away)


@pytest.mark.parametrize("token", [claims(), claims(name="backend-1")])
def test_a_token_without_tags_leaves_them_to_its_holder(token: Claims) -> None:
    assert certified_tags(registered(token, env="prod"))["env"] == {"prod"}


def test_what_an_operator_applied_needs_no_token() -> None:
    assert certified_tags(dataplane(inbound=[{"port": 1, "tags": {**WEB, "env": "prod"}}]))["env"] == {"prod"}
    sent = dataplane(inbound=[{"port": 1, "tags": WEB}])
    applied = dataplane(inbound=[{"port": 1, "tags": {**WEB, "env": "prod"}}])
    both = marked(together(sent, applied, zone="east"), token_marks(claims(**WEB), "east"))
    assert certified_tags(both)["env"] == {"prod"}
    other = dataplane(address="192.168.0.9", inbound=[{"port": 2, "tags": WEB}])
    claimed = dataplane(inbound=[{"port": 1, "tags": {**WEB, "env": "prod"}}])
    both = marked(together(claimed, other, zone="east"), token_marks(claims(**WEB), "east"))
    assert "env" not in certified_tags(both)


def test_a_service_that_is_not_listed_is_none() -> None:
    found = registered(claims(team="payments"), team="payments")
    assert identity_tags(found)["kuma.io/service"] == {"dataplane/backend-1"}


def test_a_tag_that_a_permission_asks_for_and_no_certificate_says_is_told() -> None:
    asks = permission("p", sources=[{"env": "prod"}], destinations=[{"kuma.io/service": "db"}])
    secured = metered(mtls=True)
    (found,) = certificate_findings(secured, (asks,), registered(claims(**WEB), env="prod"))
    assert found.code == "tag-not-certified"
    assert "env=prod" in found.message and "TrafficPermission p" in found.message
    assert not list(certificate_findings(secured, (asks,), registered(claims(**WEB, env="prod"), env="prod")))
    assert not list(certificate_findings(secured, (asks,), registered(claims(**WEB), version="1")))
    assert not list(certificate_findings(metered(), (asks,), registered(claims(**WEB), env="prod")))
