"""Which proxies a change may touch, and what a mesh looks like after it."""

from __future__ import annotations

from typing import Any

from meshmeter.controlplane.reconcile.resource_index import ResourceIndex
from meshmeter.effective.view import MOST_NEIGHBOURS
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import AnyResource, Key, Meta, Resource
from meshmeter.resources.traffic_permission import TrafficPermissionSpec


def a_mesh(name: str = "default") -> AnyResource:
    return Resource("Mesh", Meta(name), MeshSpec())


def a_permission(name: str) -> AnyResource:
    return Resource("TrafficPermission", Meta(name, "default"), TrafficPermissionSpec())


def a_dataplane(
    name: str, *, serves: str = "", calls: str = "", mesh: str = "default", address: str = ""
) -> AnyResource:
    """Each on a host of its own, unless `address` says otherwise."""
    networking: dict[str, Any] = {"address": address or f"{name}.example"}
    if serves:
        networking["inbound"] = [{"port": 80, "tags": {"kuma.io/service": serves}}]
    if calls:
        networking["outbound"] = [{"port": 81, "tags": {"kuma.io/service": calls}}]
    return Resource("Dataplane", Meta(name, mesh), DataplaneSpec.model_validate({"networking": networking}))


def change(index: ResourceIndex, resource: AnyResource) -> set[str]:
    return {name for _mesh, name in index.apply(resource.key, resource)}


def test_a_mesh_or_a_permission_touches_every_proxy_of_its_mesh() -> None:
    index = ResourceIndex(
        [a_mesh(), a_mesh("other"), a_dataplane("a"), a_dataplane("b"), a_dataplane("c", mesh="other")]
    )
    assert change(index, a_mesh()) == {"a", "b"}
    assert change(index, a_permission("p")) == {"a", "b"}


def test_a_dataplane_touches_itself_and_those_that_call_its_services() -> None:
    index = ResourceIndex([a_mesh(), a_dataplane("web", calls="db"), a_dataplane("batch", calls="mail")])
    assert change(index, a_dataplane("db-1", serves="db")) == {"db-1", "web"}


def test_a_service_that_a_dataplane_no_longer_serves_still_touches_its_callers() -> None:
    index = ResourceIndex([a_mesh(), a_dataplane("web", calls="db"), a_dataplane("db-1", serves="db")])
    assert change(index, a_dataplane("db-1", serves="mail")) == {"db-1", "web"}
    assert index.apply(Key("Dataplane", "default", "db-1"), None) == {("default", "db-1")}


def test_a_caller_that_stopped_calling_is_no_longer_touched() -> None:
    index = ResourceIndex([a_mesh(), a_dataplane("web", calls="db"), a_dataplane("db-1", serves="db")])
    change(index, a_dataplane("web", calls="mail"))
    assert change(index, a_dataplane("db-1", serves="db")) == {"db-1"}


def test_a_view_does_not_change_with_the_world() -> None:
    index = ResourceIndex([a_mesh(), a_dataplane("a")])
    before = index.view("default")
    change(index, a_dataplane("b"))
    change(index, a_permission("p"))
    assert before is not None and set(before.dataplanes) == {"a"}
    after = index.view("default")
    assert after is not None and set(after.dataplanes) == {"a", "b"} and len(after.permissions) == 1


def test_dataplanes_of_a_mesh_that_is_not_there_have_no_view() -> None:
    index = ResourceIndex([a_dataplane("a")])
    assert index.view("default") is None
    assert index.view("nowhere") is None
    assert list(index.proxies()) == [("default", "a")]
    assert index.dataplane(("default", "a")) is not None
    assert index.dataplane(("default", "b")) is None


def test_a_deleted_permission_leaves_the_view() -> None:
    index = ResourceIndex([a_mesh(), a_permission("p")])
    index.apply(Key("TrafficPermission", "default", "p"), None)
    index.apply(Key("TrafficPermission", "default", "never-there"), None)
    view = index.view("default")
    assert view is not None and view.permissions == ()


def test_the_permissions_are_one_value_as_long_as_none_changes() -> None:
    """What was compiled keeps them: many proxies, compiled at different times, keep one value."""
    index = ResourceIndex([a_mesh(), a_permission("p")])
    before = index.view("default")
    change(index, a_dataplane("a"))
    after = index.view("default")
    assert before is not None and after is not None and after.permissions is before.permissions
    change(index, a_permission("q"))
    changed = index.view("default")
    assert changed is not None and [p.name for p in changed.permissions] == ["p", "q"]


def test_whether_there_is_a_mesh() -> None:
    index = ResourceIndex([a_mesh(), a_dataplane("a")])
    assert index.has_mesh("default") and not index.has_mesh("nowhere")
    index.apply(Key("Mesh", "", "default"), None)
    assert not index.has_mesh("default")


def test_kinds_of_a_newer_version_touch_nothing() -> None:
    assert ResourceIndex([a_mesh()]).apply(Key("Novelty", "default", "n"), None) == set()


def test_dataplanes_at_one_address_touch_each_other_since_a_port_is_the_first_ones() -> None:
    index = ResourceIndex([a_mesh(), a_dataplane("a", address="10.0.0.1"), a_dataplane("c")])
    assert change(index, a_dataplane("b", address="10.0.0.1")) == {"a", "b"}
    view = index.view("default")
    assert view is not None
    assert [n.name for n in view.neighbours(view.dataplanes["b"])] == ["a"]
    assert view.neighbours(view.dataplanes["c"]) == ()
    assert change(index, a_dataplane("b", address="10.0.0.2")) == {"a", "b"}
    assert change(index, a_dataplane("a", address="10.0.0.1")) == {"a"}


def test_where_many_share_an_address_it_is_none_of_one_host() -> None:
    index = ResourceIndex(
        [a_mesh(), *(a_dataplane(f"d{n}", address="10.0.0.1") for n in range(MOST_NEIGHBOURS))]
    )
    assert change(index, a_dataplane("one-more", address="10.0.0.1")) == {"one-more"}
    view = index.view("default")
    assert view is not None and view.neighbours(view.dataplanes["d0"]) == ()
