from __future__ import annotations

from dataclasses import replace

import pytest

from meshmeter.controlplane.admission.documents import (
    change_violations,
    completed,
    decode_for,
    is_kubernetes,
    same_content,
)
from meshmeter.errors import InvalidResource
from meshmeter.resources.resource import AnyResource, Key
from support.resources import dataplane, mesh


def with_annotations(resource: AnyResource, **annotations: str) -> AnyResource:
    named = {name.replace("__", "/").replace("_", "."): value for name, value in annotations.items()}
    return replace(resource, meta=replace(resource.meta, annotations=named))


def annotations_after(new: AnyResource, stored: AnyResource | None, *, kubernetes: bool) -> dict[str, str]:
    return dict(completed(new, stored, kubernetes=kubernetes, zone="default").meta.annotations)


def test_the_form_of_a_document() -> None:
    assert is_kubernetes({"apiVersion": "kuma.io/v1alpha1", "kind": "Mesh"})
    assert is_kubernetes({"kind": "Mesh"})
    assert not is_kubernetes({"type": "Mesh"})
    assert not is_kubernetes({})


def test_a_universal_change_keeps_annotations_and_namespace() -> None:
    stored = with_annotations(dataplane(name_extensions={"k8s.kuma.io/namespace": "ns"}), a="1")
    changed = completed(dataplane(), stored, kubernetes=False, zone="default")
    assert changed.meta.annotations == {"a": "1"}
    assert changed.meta.name_extensions == {"k8s.kuma.io/namespace": "ns"}


def test_a_kubernetes_change_replaces_annotations() -> None:
    stored = with_annotations(dataplane(), a="1", b="2")
    assert annotations_after(with_annotations(dataplane(), b="3"), stored, kubernetes=True) == {"b": "3"}


def test_our_own_annotations_are_kept_and_never_taken_from_a_document() -> None:
    mark = {"meshmeter_io__registered-document": "mine"}
    stored = with_annotations(dataplane(), **mark)
    forged = with_annotations(dataplane(), meshmeter_io__other="x", **{next(iter(mark)): "forged"})
    for kubernetes in (True, False):
        kept = annotations_after(forged, stored, kubernetes=kubernetes)
        assert kept == {"meshmeter.io/registered-document": "mine"}
    assert annotations_after(forged, None, kubernetes=True) == {}


def test_defaults_and_zone_are_filled_in() -> None:
    made = completed(dataplane(), None, kubernetes=False, zone="east")
    assert made.spec.networking.inbound[0].tags["kuma.io/zone"] == "east"
    backends = [{"name": "p", "type": "prometheus"}]
    made = completed(mesh(metrics={"backends": backends}), None, kubernetes=False, zone="east")
    assert made.spec.metrics.backends[0].conf.port == 5670


def test_a_long_mesh_name_is_refused_only_on_creation() -> None:
    long = mesh("m" * 64)
    assert [v.field for v in change_violations(long, None)] == ["name"]
    assert change_violations(long, long) == []
    assert change_violations(dataplane("d" * 200), None) == []


def test_same_content_does_not_look_at_versions() -> None:
    one = dataplane()
    assert same_content(one, replace(one, meta=replace(one.meta, version=7)))
    assert not same_content(one, replace(one, meta=replace(one.meta, labels={"a": "b"})))
    assert not same_content(one, dataplane(address="10.0.0.9"))


KEY = Key("Mesh", "", "shop")


def refused(document: dict[str, object], key: Key = KEY) -> dict[str, str]:
    with pytest.raises(InvalidResource) as caught:
        decode_for(document, key)
    return {violation.field: violation.reason for violation in caught.value.violations}


def test_a_body_has_to_be_the_resource_of_the_path() -> None:
    assert decode_for({"type": "Mesh", "name": "shop"}, KEY).key == KEY
    assert refused({"type": "Mesh", "name": "other"}) == {
        "name": "name from the URL has to be the same as in body"
    }
    kubernetes = {"apiVersion": "kuma.io/v1alpha1", "kind": "Mesh", "metadata": {"name": "other"}}
    assert set(refused(kubernetes)) == {"metadata.name"}


def test_a_faulty_body_is_compared_with_the_path_as_well() -> None:
    found = refused({"type": "Mesh", "name": "Other", "x": 1, "mesh": "m"}, Key("Dataplane", "default", "dp"))
    assert {"x", "type", "name", "mesh"} == set(found)
    assert found["name"].startswith("invalid characters")  # one fault per field
