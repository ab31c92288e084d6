from __future__ import annotations

import inspect

from meshmeter.controlplane.identity.mesh_trust import MeshTrust
from meshmeter.controlplane.reconcile.trust import Trust


def test_the_trust_of_the_meshes_is_one() -> None:
    asked = {
        name: method for name, method in vars(Trust).items() if inspect.isfunction(method) and name[0] != "_"
    }
    assert "credentials" in asked
    for name, method in asked.items():
        assert list(inspect.signature(getattr(MeshTrust, name)).parameters) == list(
            inspect.signature(method).parameters
        )
