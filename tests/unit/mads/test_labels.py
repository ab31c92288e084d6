"""Labels of a target (kuma-facts 7.3)."""

from __future__ import annotations

import pytest

from meshmeter.mads.labels import sanitize, services, target_labels
from support.resources import dataplane


@pytest.mark.parametrize(
    ("tag", "label"),
    [("kuma.io/service", "kuma_io_service"), ("a:b-c", "a_b_c"), ("straße", "stra_e"), ("ok_1", "ok_1")],
)
def test_sanitize(tag: str, label: str) -> None:
    assert sanitize(tag) == label


def test_each_tag_has_its_first_value_and_all_of_them() -> None:
    subject = dataplane(
        inbound=[
            {"port": 1, "tags": {"kuma.io/service": "web", "version": "v2"}},
            {"port": 2, "tags": {"kuma.io/service": "api", "version": "v1"}},
            {"port": 3, "tags": {"kuma.io/service": "api"}},
            {"port": 4},
        ]
    )
    assert target_labels(subject) == {
        "kuma_io_service": "api",
        "kuma_io_services": ",api,web,",
        "version": "v1",
        "versions": ",v1,v2,",
    }
    assert services(subject) == ("api", "web")


def test_a_plural_tag_of_the_user_replaces_the_generated_plural() -> None:
    subject = dataplane(inbound=[{"port": 1, "tags": {"version": "v1", "versions": "mine"}}])
    assert target_labels(subject) == {"version": "v1", "versions": "mine", "versionss": ",mine,"}


def test_a_dataplane_without_tags_is_of_an_unknown_service() -> None:
    assert services(dataplane(inbound=[])) == ("unknown",)
    assert target_labels(dataplane(inbound=[])) == {}


def test_tags_of_a_gateway_and_the_mark_of_a_builtin_one() -> None:
    tags = {"kuma.io/service": "edge"}
    delegated = dataplane(inbound=[], gateway={"tags": tags})
    assert target_labels(delegated) == {"kuma_io_service": "edge", "kuma_io_services": ",edge,"}
    builtin = dataplane(inbound=[], gateway={"tags": tags, "type": "BUILTIN"})
    assert target_labels(builtin)["kuma_io_mesh_gateway"] == ""


def test_the_parts_of_a_kubernetes_name() -> None:
    subject = dataplane(
        inbound=[], name_extensions={"k8s.kuma.io/namespace": "shop", "k8s.kuma.io/name": "web-0"}
    )
    assert target_labels(subject) == {"k8s_kuma_io_namespace": "shop", "k8s_kuma_io_name": "web-0"}
