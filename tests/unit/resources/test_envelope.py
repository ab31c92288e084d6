from __future__ import annotations

from typing import Any

import pytest

from meshmeter.resources.envelope import Envelope, open_envelope
from meshmeter.resources.faults import Faults

PERMISSION = {"sources": [{"match": {"a": "b"}}]}


def opened(document: dict[Any, Any]) -> Envelope:
    faults = Faults()
    envelope = open_envelope(document, faults)
    assert faults.violations == []
    assert envelope is not None
    return envelope


def faults_of(document: dict[Any, Any]) -> list[str]:
    faults = Faults()
    open_envelope(document, faults)
    return [str(violation) for violation in faults.violations]


def test_a_universal_document() -> None:
    envelope = opened(
        {"type": "TrafficPermission", "mesh": "m", "name": "n", "labels": {"a": "b"}, **PERMISSION}
    )

    assert envelope.kind.name == "TrafficPermission"
    assert (envelope.meta.mesh, envelope.meta.name, envelope.meta.labels) == ("m", "n", {"a": "b"})
    assert envelope.spec == PERMISSION
    assert envelope.place("sources[0].match") == "sources[0].match"


def test_a_universal_document_may_wrap_its_fields_in_spec() -> None:
    envelope = opened({"type": "Mesh", "name": "n", "spec": {"mtls": {}}, "metrics": {}})

    assert envelope.spec == {"mtls": {}, "metrics": {}}
    assert envelope.place("mtls.backends[0].type") == "spec.mtls.backends[0].type"
    assert envelope.place("metrics.enabledBackend") == "metrics.enabledBackend"


def test_the_same_field_inside_and_outside_of_spec_is_a_contradiction() -> None:
    assert faults_of({"type": "Mesh", "name": "n", "spec": {"metrics": {}}, "metrics": {}}) == [
        "spec.metrics: is also given outside of spec: keep one of them"
    ]


def test_a_kubernetes_object() -> None:
    envelope = opened(
        {
            "apiVersion": "kuma.io/v1alpha1",
            "kind": "Dataplane",
            "mesh": "m",
            "metadata": {
                "name": "pod-1",
                "namespace": "shop",
                "labels": {"a": "b"},
                "annotations": {"note": "x\n", "kuma.io/display-name": "pod-1"},
                "uid": "1",
                "resourceVersion": "2",
                "managedFields": [{}],
            },
            "spec": {"networking": {"address": "10.0.0.1"}},
            "status": {},
        }
    )

    meta = envelope.meta
    assert (meta.mesh, meta.name) == ("m", "pod-1.shop")
    assert meta.name_extensions == {"k8s.kuma.io/namespace": "shop", "k8s.kuma.io/name": "pod-1"}
    assert meta.annotations == {"note": "x\n"}
    assert envelope.spec == {"networking": {"address": "10.0.0.1"}}


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("name", "metadata.name"),
        ('labels["a"]', 'metadata.labels["a"]'),
        ("mesh", "mesh"),
        ("metrics.backends[0]", "spec.metrics.backends[0]"),
    ],
)
def test_places_in_a_kubernetes_object(path: str, place: str) -> None:
    document = {"apiVersion": "kuma.io/v1alpha1", "kind": "Mesh", "metadata": {"name": "n"}}

    assert opened(document).place(path) == place


def test_a_mesh_has_neither_mesh_nor_namespace() -> None:
    meta = opened(
        {
            "apiVersion": "kuma.io/v1alpha1",
            "kind": "Mesh",
            "mesh": "x",
            "metadata": {"name": "n", "namespace": "y"},
        }
    ).meta

    assert (meta.mesh, meta.name, meta.name_extensions) == ("", "n", {})


def test_read_only_fields_are_ignored() -> None:
    times = {"creationTime": "2024-01-01T00:00:00Z", "modificationTime": 5, "kri": [], "status": None}

    assert opened({"type": "Mesh", "name": "n", **times}).spec == {}


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({}, "type: cannot be empty, must be one of Mesh, Dataplane, TrafficPermission"),
        ({"type": "Mehs"}, 'type: invalid resource type "Mehs", did you mean "Mesh"?'),
        ({"type": "traffic-permission"}, 'did you mean "TrafficPermission"?'),
        ({"type": "x" * 10_000}, "must be one of Mesh, Dataplane, TrafficPermission"),
        ({"type": ["Mesh"]}, "type: invalid resource type a list"),
        (
            {"kind": "Mesh", "metadata": {"name": "n"}},
            'apiVersion: must be "kuma.io/v1alpha1", got null',
        ),
        (
            {"apiVersion": "v1", "kind": "Mesh", "metadata": {"name": "n"}},
            'apiVersion: must be "kuma.io/v1alpha1", got "v1"',
        ),
        ({"type": "Mesh", "nam": "n"}, 'nam: unknown field, did you mean "name"?'),
        ({"type": "Mesh", "kind": "Mesh"}, "kind: unknown field"),
        ({"type": "Mesh", "name": 1}, "name: must be a string, got 1: write it in quotes"),
        ({"type": "Mesh", "spec": []}, "spec: must be a mapping, got a list"),
        (
            {"apiVersion": "kuma.io/v1alpha1", "kind": "Mesh", "metadata": {"annotations": {"a": 1}}},
            'metadata.annotations["a"]: must be a string, got 1',
        ),
        (
            {"apiVersion": "kuma.io/v1alpha1", "kind": "Mesh", "metadata": []},
            "metadata: must be a mapping, got a list",
        ),
        (
            {"apiVersion": "kuma.io/v1alpha1", "kind": "Mesh", "metrics": {}},
            "metrics: unknown field",
        ),
    ],
)
def test_what_is_refused(document: dict[Any, Any], fault: str) -> None:
    assert fault in "\n".join(faults_of(document))
