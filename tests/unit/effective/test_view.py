"""MeshView is one immutable value."""

from __future__ import annotations

import dataclasses

import pytest

from meshmeter.effective.view import MeshView
from support.resources import dataplane, mesh


def test_a_view_of_an_empty_mesh() -> None:
    view = MeshView(mesh("default"))
    assert dict(view.dataplanes) == {}
    assert view.permissions == ()


def test_a_view_does_not_change() -> None:
    view = MeshView(mesh("default"), {"backend-1": dataplane("backend-1")})
    with pytest.raises(dataclasses.FrozenInstanceError):
        view.mesh = mesh("other")  # type: ignore[misc]  # that is what must fail


def test_providers_are_the_dataplanes_of_a_service_by_name() -> None:
    two_services = [{"port": 1, "tags": {"kuma.io/service": s}} for s in ("web", "db")]
    b, a = dataplane("b", inbound=two_services), dataplane("a", inbound=two_services[:1])
    view = MeshView(mesh("default"), {"b": b, "a": a, "none": dataplane("none", inbound=[{"port": 1}])})
    assert view.providers == {"web": (a, b), "db": (b,)}
