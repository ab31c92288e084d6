"""pod-annotations: from a Pod and its Services to the Dataplane, its inbounds and their tags."""

from __future__ import annotations

from typing import Any

import yaml

from contract.conformance import Case, vectors
from meshmeter.injector.annotations import pod_metrics
from meshmeter.injector.pod_dataplane import INJECTED, PodDataplane, dataplane_of
from meshmeter.injector.pod_tags import protocol_of, service_tags


def without_zeros(value: Any) -> Any:
    """Zero and absent are the same, except for switches that can be unset."""
    if isinstance(value, list):
        return [without_zeros(item) for item in value]
    if not isinstance(value, dict):
        return value
    parts = {key: without_zeros(item) for key, item in value.items()}
    return {key: item for key, item in parts.items() if key == "enabled" or item not in (0, "", None, {}, [])}


@vectors("pod-annotations", "pod-to-dataplane")
def test_pod_to_dataplane(case: Case) -> None:
    pod, expected = case.yaml("pod"), case.yaml("expected")
    annotations = pod["metadata"].setdefault("annotations", {})
    annotations[INJECTED] = "true"  # the cases are about what comes after
    services = case.data.get("servicesForPod") and yaml.safe_load_all(case.text("servicesForPod"))
    found = dataplane_of(
        pod,
        [each for each in services or () if each],
        node_labels=case.data.get("nodeLabels"),
        zone=case.data["zone"],
        metrics=pod_metrics(annotations).metrics,
    )
    assert isinstance(found, PodDataplane)
    assert {each.code for each in found.findings} <= {"pod-service-refused"}  # ports that the Pod has not
    assert found.mesh == expected["mesh"]
    assert found.labels == expected["metadata"]["labels"]
    assert without_zeros(found.spec) == without_zeros(expected["spec"])


@vectors("pod-annotations", "inbound-tags")
def test_inbound_tags(case: Case) -> None:
    data = case.data
    port = next(each for each in data["service"]["spec"]["ports"] if each["port"] == data["port"])
    found = service_tags(
        data["pod"], data["service"], port, zone=data["zone"], node_labels=data.get("nodeLabels")
    )
    assert found == data["expected"]


@vectors("pod-annotations", "protocol")
def test_protocol(case: Case) -> None:
    service = {"metadata": {"annotations": case.data["serviceAnnotations"]}}
    port = {"port": case.data["port"], "appProtocol": case.data["appProtocol"]}
    assert protocol_of(service, port) == case.data["expected"]
