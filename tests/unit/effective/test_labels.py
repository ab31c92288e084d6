"""Labels of a target (kuma-facts 7.3, deviations D28)."""

from __future__ import annotations

import pytest

from meshmeter.effective.labels import Conflict, sanitize, target_labels
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.resource import Resource
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
    assert target_labels(subject).labels == {
        "kuma_io_service": "api",
        "kuma_io_services": ",api,web,",
        "version": "v1",
        "versions": ",v1,v2,",
    }


def test_a_plural_tag_of_the_user_replaces_the_generated_plural() -> None:
    subject = dataplane(inbound=[{"port": 1, "tags": {"version": "v1", "versions": "mine"}}])
    assert target_labels(subject).labels == {"version": "v1", "versions": "mine", "versionss": ",mine,"}


def test_no_tags_are_no_labels() -> None:
    assert target_labels(dataplane(inbound=[])).labels == {}


def test_tags_of_a_gateway_and_the_mark_of_a_builtin_one() -> None:
    tags = {"kuma.io/service": "edge"}
    delegated = dataplane(inbound=[], gateway={"tags": tags})
    assert target_labels(delegated).labels == {"kuma_io_service": "edge", "kuma_io_services": ",edge,"}
    builtin = dataplane(inbound=[], gateway={"tags": tags, "type": "BUILTIN"})
    assert target_labels(builtin).labels["kuma_io_mesh_gateway"] == ""


def test_the_parts_of_a_kubernetes_name() -> None:
    subject = dataplane(
        inbound=[], name_extensions={"k8s.kuma.io/namespace": "shop", "k8s.kuma.io/name": "web-0"}
    )
    assert target_labels(subject).labels == {"k8s_kuma_io_namespace": "shop", "k8s_kuma_io_name": "web-0"}


def tagged(**tags: str) -> Resource[DataplaneSpec]:
    return dataplane(inbound=[{"port": 1, "tags": {"kuma.io/service": "web", **tags}}])


@pytest.mark.parametrize(
    "tag",
    [
        "__address__",
        "__param_x",
        "//address__",
        "-.tmp",
        "::x",
        "job",
        "instance",
        "mesh",
        "dataplane",
        "service",
        "pod",
        "namespace",
        "le",
        "quantile",
        "kuma.io/mesh-gateway",
        "k8s.kuma.io/name",
        "k8s.kuma.io/namespace",
    ],
)
def test_what_steers_prometheus_or_is_set_elsewhere_is_no_label_of_a_tag(tag: str) -> None:
    found = target_labels(tagged(**{tag: "evil"}))
    assert found.labels == {"kuma_io_service": "web", "kuma_io_services": ",web,"}
    assert found.reserved == (tag,)


def test_on_kubernetes_the_tag_that_repeats_the_namespace_is_nothing_to_report() -> None:
    tags = {"kuma.io/service": "web", "k8s.kuma.io/namespace": "shop"}
    for namespace, reported in (("shop", ()), ("other", ("k8s.kuma.io/namespace",))):
        subject = dataplane(
            inbound=[{"port": 1, "tags": tags}], name_extensions={"k8s.kuma.io/namespace": namespace}
        )
        found = target_labels(subject)
        assert found.labels["k8s_kuma_io_namespace"] == namespace
        assert found.reserved == reported


@pytest.mark.parametrize("tag", ["kuma.io_service", "kuma_io/service", "kuma_io_service", "a.io/service"])
def test_no_tag_takes_the_label_of_the_service(tag: str) -> None:
    found = target_labels(tagged(**{tag: "db"}))
    assert found.labels["kuma_io_service"] == "web"
    assert found.labels["kuma_io_services"] == ",web,"
    conflict = Conflict(tag, "kuma_io_service", "kuma.io/service")
    assert found.conflicts == (() if tag == "a.io/service" else (conflict,))


def test_nor_the_label_of_all_its_services() -> None:
    found = target_labels(tagged(**{"kuma.io/services": ",db,"}))
    assert found.labels["kuma_io_services"] == ",web,"
    assert found.conflicts == (Conflict("kuma.io/services", "kuma_io_services", "kuma.io/service"),)


def test_of_equal_labels_the_first_name_has_it_in_whatever_order_they_are_written() -> None:
    for order in (("a_b", "a-b", "a.b"), ("a.b", "a_b", "a-b")):
        found = target_labels(tagged(**{tag: tag for tag in order}))
        assert found.labels["a_b"] == "a-b"
        assert found.labels["a_bs"] == ",a-b,"
        assert {conflict.tag for conflict in found.conflicts} == {"a.b", "a_b"}
        assert {conflict.owner for conflict in found.conflicts} == {"a-b"}
