"""What tokens say of tags that they do not list."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from meshmeter.certs.tokens import DATAPLANE, Claims
from meshmeter.controlplane.token_tags import check_labels
from meshmeter.errors import PermissionDenied
from meshmeter.resources.dataplane import DataplaneSpec
from support.resources import dataplane

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
