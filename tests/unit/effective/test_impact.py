"""Which proxies differ after a change, and in what."""

from __future__ import annotations

from typing import Any

import pytest

from meshmeter.effective.impact import Impact, impact
from meshmeter.effective.view import MeshView
from support.resources import dataplane, mesh, metered, permission

PROXIES = {name: dataplane(name) for name in ("a", "b")}
DESTINATION = [{"kuma.io/service": "dataplane-metrics"}]


def changed(before: Any, after: Any) -> dict[str, int]:
    """Everything that is counted."""
    found = impact(MeshView(before, PROXIES), MeshView(after, PROXIES)).to_json()
    return {aspect: count for aspect, count in found.items() if count}


@pytest.mark.parametrize(
    "before, after, aspects",
    [
        ({}, {"port": 5670, "path": "/metrics"}, set()),
        ({}, {"port": 1}, {"port"}),
        ({}, {"path": "/x"}, {"path"}),
        ({}, {"tls": {"mode": "disabled"}}, {"tls"}),
        ({"tls": {"mode": "disabled"}}, {"skipMTLS": True}, set()),
        ({}, {"aggregate": [{"name": "x", "port": 1}]}, {"sources"}),
        ({}, {"aggregate": [{"name": "x", "port": 1, "enabled": False}]}, set()),
        ({}, {"agentMetrics": False}, set()),
        ({}, {"agentMetrics": True}, {"sources"}),
        ({}, {"envoy": {"usedOnly": True}}, {"filter"}),
        ({}, {"envoy": {"filterRegex": ""}}, set()),
        ({}, {"port": 8080}, {"port", "endpoint"}),
    ],
)
def test_each_aspect_is_counted_for_each_proxy(
    before: dict[str, Any], after: dict[str, Any], aspects: set[str]
) -> None:
    found = changed(metered(**before), metered(**after))
    assert found == dict.fromkeys({"proxies", *aspects} if aspects else (), 2)


def test_switching_metrics_changes_the_endpoint() -> None:
    assert changed(mesh(), metered()) == {"proxies": 2, "endpoint": 2}
    assert changed(metered(), mesh()) == {"proxies": 2, "endpoint": 2}
    assert changed(mesh(), mesh()) == {}


def test_permissions_count_where_they_hold() -> None:
    allowed = (permission("p", sources=[{"kuma.io/service": "prom"}], destinations=DESTINATION),)

    def access(the_mesh: Any) -> int:
        before, after = MeshView(the_mesh, PROXIES), MeshView(the_mesh, PROXIES, allowed)
        return impact(before, after).to_json()["access"]

    assert access(metered(mtls=True)) == 2
    assert access(metered()) == 0


def test_new_and_removed_proxies_and_meshes_are_no_change() -> None:
    before, after = MeshView(metered(), {"a": PROXIES["a"]}), MeshView(metered(port=1), {"b": PROXIES["b"]})
    assert impact(before, after) == Impact()
    assert impact(None, after) == impact(before, None) == impact(None, None) == Impact()


def test_impacts_add_up() -> None:
    one = impact(MeshView(metered(), PROXIES), MeshView(metered(port=1), PROXIES))
    assert (one + one).to_json()["port"] == 4
    assert (Impact() + one) == one
