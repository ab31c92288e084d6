from __future__ import annotations

from typing import Any

import pytest

from meshmeter.resources.codec import decode, to_universal
from meshmeter.resources.defaults import allow_all_permission, default_mesh, with_defaults
from meshmeter.resources.validation.rules import violations

COMPLETE = {
    "port": 5670,
    "path": "/metrics",
    "tags": {"kuma.io/service": "dataplane-metrics"},
    "tls": {"mode": "activeMTLSBackend"},
}


def stored_conf(conf: dict[str, Any] | None, **backend: Any) -> Any:
    entry = {"name": "b", "type": "prometheus", **({} if conf is None else {"conf": conf}), **backend}
    mesh = with_defaults(decode({"type": "Mesh", "name": "m", "metrics": {"backends": [entry]}}))
    assert with_defaults(mesh) is mesh
    return to_universal(mesh)["metrics"]["backends"][0]["conf"]


@pytest.mark.parametrize("conf", [None, {}, {"tags": {}}, {"tls": {}}])
def test_what_is_not_written_is_completed(conf: dict[str, Any] | None) -> None:
    assert stored_conf(conf) == COMPLETE


@pytest.mark.parametrize(
    ("conf", "mode"),
    [
        ({"skipMTLS": True}, "disabled"),
        ({"skipMTLS": False}, "activeMTLSBackend"),
        ({"tls": {"mode": "providedTLS"}}, "providedTLS"),
        ({"tls": {"mode": "disabled"}, "skipMTLS": True}, "disabled"),
    ],
)
def test_the_older_spelling_is_translated_and_kept(conf: dict[str, Any], mode: str) -> None:
    assert stored_conf(conf) == COMPLETE | conf | {"tls": {"mode": mode}}


def test_what_is_written_stays() -> None:
    conf = {
        "port": 1,
        "path": "/x",
        "tags": {"a": "b"},
        "tls": {"mode": "disabled"},
        "aggregate": [{"name": "app"}],
        "envoy": {"usedOnly": False},
    }

    assert stored_conf(conf) == conf


def test_a_resource_without_a_backend_stays_the_same() -> None:
    mesh = decode({"type": "Mesh", "name": "m", "metrics": {}})
    dataplane = decode(
        {
            "type": "Dataplane",
            "mesh": "m",
            "name": "d",
            "networking": {"address": "10.0.0.1"},
            "metrics": {"type": "prometheus"},
        }
    )

    assert with_defaults(mesh) is mesh
    assert with_defaults(dataplane) is dataplane


def test_the_first_resources_are_valid() -> None:
    mesh, permission = default_mesh(), allow_all_permission()

    assert violations(mesh) == violations(permission) == []
    assert mesh.spec.metrics is not None
    assert mesh.spec.metrics.enabled() is not None
    assert (permission.mesh, permission.name) == ("default", "allow-all-default")
