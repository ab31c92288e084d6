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
