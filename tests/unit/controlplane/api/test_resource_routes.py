from __future__ import annotations

import pytest

from meshmeter.controlplane.api.resource_routes import resource_routes
from meshmeter.resources.kinds import KINDS, Kind


@pytest.mark.parametrize("kind", KINDS.values(), ids=str)
def test_every_kind_is_read_written_deleted_and_listed(kind: Kind) -> None:
    routes = {(each.method, each.path): each for each in resource_routes(kind)}
    one = next(path for method, path in routes if method == "PUT")
    assert {("GET", one), ("PUT", one), ("DELETE", one)} < set(routes)
    lists = set(routes) - {("GET", one), ("PUT", one), ("DELETE", one)}
    everywhere = ("GET", f"/{kind.plural}")
    within = ("GET", f"/meshes/{{mesh}}/{kind.plural}")
    assert lists == ({everywhere, within} if kind.mesh_scoped else {everywhere})
    assert 404 not in routes[everywhere].errors
