from __future__ import annotations

from typing import Any

import pytest

from meshmeter.injector.pod_tags import label_tags, pod_tags, protocol_of, service_tags, tag_fault
from support.pods import pod, service


def test_tags_of_a_service_s_port() -> None:
    labels = {"app": "web", "empty": "", "kuma.io/sidecar-injection": "enabled", "k8s.kuma.io/x": "y"}
    found = service_tags(pod(labels=labels), service(), {"port": 80, "targetPort": 8080}, zone="east")
    assert found == {
        "app": "web",
        "k8s.kuma.io/namespace": "shop",
        "k8s.kuma.io/service-name": "web",
        "k8s.kuma.io/service-port": "80",
        "kuma.io/service": "web_shop_svc_80",
        "kuma.io/protocol": "tcp",
        "kuma.io/zone": "east",
    }


def test_labels_cannot_take_the_place_of_the_mesh_s_tags() -> None:
    labels = {"kuma.io/service": "bank", "kuma.io/zone": "west", "x.kuma.io/y": "z"}
    tags = service_tags(pod(labels=labels), service(), {"port": 80})
    assert tags["kuma.io/service"] == "web_shop_svc_80"
    assert not tags.keys() & {"kuma.io/zone", "x.kuma.io/y"}
    assert pod_tags(pod(labels=labels), "web")["kuma.io/service"] == "web_shop_svc"


def test_proxies_of_a_headless_service_are_told_apart() -> None:
    assert service_tags(pod(), service(clusterIP="None"), {"port": 80})["kuma.io/instance"] == "web-1"
    assert "kuma.io/instance" not in service_tags(pod(), service(clusterIP="10.1.1.1"), {"port": 80})


def test_tags_of_a_pod_behind_nothing() -> None:
    assert pod_tags(pod(), "web", zone="east") == {
        "app": "web",
        "k8s.kuma.io/namespace": "shop",
        "kuma.io/service": "web_shop_svc",
        "kuma.io/protocol": "tcp",
        "kuma.io/zone": "east",
        "kuma.io/instance": "web-1",
    }


def test_some_labels_of_the_node() -> None:
    node = {"topology.kubernetes.io/zone": "a", "kubernetes.io/hostname": "n1", "kubernetes.io/os": "linux"}
    expected = {"app": "web", "topology.kubernetes.io/zone": "a", "kubernetes.io/hostname": "n1"}
    assert label_tags(pod(), node) == expected


@pytest.mark.parametrize(
    ("app_protocol", "annotation", "expected"),
    [
        (None, None, "tcp"),
        ("HTTP", None, "http"),
        ("tls", "http", "tls"),
        ("kubernetes.io/h2c", None, "tcp"),
        ("kubernetes.io/h2c", "grpc", "grpc"),
        (None, "", "tcp"),
        (5, 5, "tcp"),
    ],
)
def test_protocols(app_protocol: Any, annotation: Any, expected: str) -> None:
    annotations = {"80.service.kuma.io/protocol": annotation, "81.service.kuma.io/protocol": "http2"}
    annotated = service(metadata={"annotations": annotations})
    assert protocol_of(annotated, {"port": 80, "appProtocol": app_protocol}) == expected


@pytest.mark.parametrize(
    ("name", "value"), [("a b", "x"), ("a", "x/y"), ("a", ""), ("", "x"), ("a" * 5000, "x")]
)
def test_no_tags(name: str, value: str) -> None:
    assert tag_fault(name, value)
    assert tag_fault("app.kubernetes.io/name", "web") is None
